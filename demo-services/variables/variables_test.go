package variables_test

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/otelcol-journey/otelcol-journey/demo-services/variables"
)

func TestEveryProgramHasACommand(t *testing.T) {
	entries, err := os.ReadDir("../cmd")
	if err != nil {
		t.Fatal(err)
	}
	var commands []string
	for _, e := range entries {
		commands = append(commands, e.Name())
	}
	if !slices.Equal(commands, variables.Programs()) {
		t.Errorf("commands %q, programs %q", commands, variables.Programs())
	}
}

func TestTheReadmeHasEveryVariable(t *testing.T) {
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, program := range variables.Programs() {
		for _, v := range variables.Of(program) {
			row := rowOf(string(readme), v.Name)
			if row == "" {
				t.Errorf("%s of %s is not in the README", v.Name, program)
				continue
			}
			if v.Default != "" && !strings.Contains(row, "`"+v.Default+"`") || !strings.Contains(row, v.Purpose) {
				t.Errorf("the README's row differs from the table: %s", row)
			}
		}
	}
}

func rowOf(readme, name string) string {
	for line := range strings.Lines(readme) {
		if strings.HasPrefix(line, "| `"+name+"` |") {
			return line
		}
	}
	return ""
}

func TestTheTableCannotBeChangedFromOutside(t *testing.T) {
	variables.Of("gateway")[0].Name = "changed"
	if variables.Of("gateway")[0].Name == "changed" {
		t.Error("Of hands out the table itself")
	}
	if variables.Of("nobody") != nil {
		t.Error("a program that does not exist has variables")
	}
}
