// Package style holds the rules of CONTRIBUTING.md that no linter can express.
package style

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const root = "../.."

// Tests sleep in fake time or not at all. Whatever happens beside the test is
// waited for by its condition.
func TestTestsSleepOnlyInFakeTime(t *testing.T) {
	eachTestFile(t, func(files *token.FileSet, path string, file *ast.File) {
		if imports(file, "testing/synctest") {
			return
		}
		ast.Inspect(file, func(node ast.Node) bool {
			call, ok := node.(*ast.SelectorExpr)
			if !ok || call.Sel.Name != "Sleep" {
				return true
			}
			if from, ok := call.X.(*ast.Ident); ok && from.Name == "time" {
				t.Errorf("%s: time.Sleep outside testing/synctest: wait for the condition, with a deadline", files.Position(call.Pos()))
			}
			return true
		})
	})
}

func imports(file *ast.File, path string) bool {
	return slices.ContainsFunc(file.Imports, func(spec *ast.ImportSpec) bool {
		name, err := strconv.Unquote(spec.Path.Value)
		return err == nil && name == path
	})
}

func eachTestFile(t *testing.T, check func(files *token.FileSet, path string, file *ast.File)) {
	t.Helper()
	seen := 0
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && path != root && (strings.HasPrefix(entry.Name(), ".") || entry.Name() == "_build") {
			return filepath.SkipDir
		}
		if entry.IsDir() || !strings.HasSuffix(path, "_test.go") {
			return nil
		}
		files := token.NewFileSet()
		file, err := parser.ParseFile(files, path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		seen++
		check(files, path, file)
		return nil
	})
	if err != nil {
		t.Fatalf("look for tests: %v", err)
	}
	if seen < 10 {
		t.Errorf("only %d test files were found below %s", seen, root)
	}
}
