package page

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/otelcol-journey/otelcol-journey/internal/stack"
	"github.com/otelcol-journey/otelcol-journey/test/browser"
)

// startTimeout covers installing the browser.
const startTimeout = 5 * time.Minute

// chromium is shared by all tests; each opens tabs of its own.
var chromium *browser.Browser

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	var err error
	chromium, err = browser.Start(ctx, os.Stderr, filepath.Join("..", "..", ".run", "page"))
	if errors.Is(err, stack.ErrNoChromium) && os.Getenv("CI") == "" {
		fmt.Fprintln(os.Stderr, "skipped:", err)
		return 0
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	code := m.Run()
	for _, check := range []func() error{chromium.Close, func() error { return goleak.Find() }} {
		if err := check(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	return code
}
