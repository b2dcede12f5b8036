package e2e

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/otelcol-journey/otelcol-journey/internal/stack"
)

const (
	// sideBySide is how many tests run at once: most of their time they wait
	// for the collector's wait times to pass.
	sideBySide = "8"
	// startTimeout covers installing a broker or pulling its image.
	startTimeout = 5 * time.Minute
	// partTimeout is for all else, on a machine that runs several tests at once.
	partTimeout = time.Minute
	stopTimeout = 40 * time.Second
)

// world is what all tests share.
var world struct {
	root string // of the repository
	dir  string // for all that is written

	broker  sharedBroker
	ports   portBook
	browser sharedBrowser
}

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	if err := prepare(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	code := m.Run()
	for _, check := range []func() error{world.browser.stop, world.broker.stop, func() error { return goleak.Find() }} {
		if err := check(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	if code != 0 {
		fmt.Fprintln(os.Stderr, "logs of what the tests ran are in", world.dir)
		return code
	}
	if err := os.RemoveAll(world.dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

func prepare() error {
	// Before the flags are parsed, so -parallel still goes before.
	if err := flag.Set("test.parallel", sideBySide); err != nil {
		return err
	}
	root, err := filepath.Abs("../..")
	if err != nil {
		return err
	}
	world.root = root
	var missing []string
	for _, name := range []string{"otelcol-journey", "jaeger", "gateway", "checkout", "stock", "orders", "users", "mailer", "shopper", "plan"} {
		if _, err := os.Stat(program(name)); err != nil {
			missing = append(missing, name)
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("bin/ lacks %s: run `make e2e`, which builds what the tests need", strings.Join(missing, ", "))
	}
	if err := os.MkdirAll(filepath.Join(root, ".run", "e2e"), 0o755); err != nil {
		return err
	}
	world.dir, err = os.MkdirTemp(filepath.Join(root, ".run", "e2e"), "run-")
	return err
}

func program(name string) string  { return filepath.Join(world.root, "bin", name) }
func published() string           { return filepath.Join(world.root, "otelcol-config.yaml") }
func address(port int) string     { return fmt.Sprintf("localhost:%d", port) }
func background() context.Context { return context.Background() }
func withTimeout(d time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(background(), d)
}

// portBook hands out free ports, each only once: two tests that start at the
// same time must not be given the same one.
type portBook struct {
	mu    sync.Mutex
	taken map[int]bool
}

func (b *portBook) take(t *testing.T) int {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	for {
		port, err := stack.FreePort()
		if err != nil {
			t.Fatal(err)
		}
		if !b.taken[port] {
			if b.taken == nil {
				b.taken = map[int]bool{}
			}
			b.taken[port] = true
			return port
		}
	}
}
