package e2e

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/otelcol-journey/otelcol-journey/internal/stack"
)

const (
	// sideBySide is how many tests run at once: most of their time they wait
	// for the collector's wait times to pass.
	sideBySide = "8"
	// startTimeout covers installing a broker or pulling its image.
	startTimeout = 5 * time.Minute
	stopTimeout  = 40 * time.Second
)

// world is what all tests share.
var world struct {
	root string // of the repository
	dir  string // for all that is written

	broker sharedBroker
	ports  portBook
}

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	if err := prepare(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	code := m.Run()
	if err := world.broker.stop(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
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
	for _, name := range []string{"otelcol-journey", "jaeger"} {
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
func httpURL(port int) string     { return "http://" + address(port) }
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

// sharedBroker is started by the first test that needs it.
type sharedBroker struct {
	once   sync.Once
	broker *stack.Broker
	err    error
	// alone is held by a test on a broker of AMQP_URL: its one virtual host
	// cannot be shared by collectors that each expect to see their test only.
	alone sync.Mutex
	// asking is held for each call of the management API: the broker loses the
	// firehose of a virtual host when another one is made at the same time.
	asking sync.Mutex
}

func (s *sharedBroker) get(t *testing.T) *stack.Broker {
	t.Helper()
	s.once.Do(func() {
		ctx, cancel := withTimeout(startTimeout)
		defer cancel()
		s.broker, s.err = stack.StartBroker(ctx, stack.BrokerSpec{
			Dir: filepath.Join(world.dir, "rabbitmq"), Log: os.Stderr,
			Plugins: []string{"rabbitmq_management"}, // makes and removes virtual hosts
		})
	})
	if s.err != nil {
		t.Fatal(s.err)
	}
	return s.broker
}

func (s *sharedBroker) stop() error {
	if s.broker == nil {
		return nil
	}
	ctx, cancel := withTimeout(stopTimeout)
	defer cancel()
	return s.broker.Stop(ctx)
}

// vhost returns the AMQP address of a virtual host with the firehose on that
// nobody else uses.
func (s *sharedBroker) vhost(t *testing.T) string {
	t.Helper()
	broker := s.get(t)
	if !broker.Owned() {
		s.alone.Lock()
		t.Cleanup(s.alone.Unlock)
		return broker.URL
	}
	name := strings.ReplaceAll(t.Name(), "/", ".")
	api := broker.ManagementURL + "/api/vhosts/" + url.PathEscape(name)
	eventually(t, "make virtual host "+name, func() error {
		return s.manage(http.MethodPut, api, `{"tracing": true}`)
	})
	t.Cleanup(func() {
		if err := s.manage(http.MethodDelete, api, ""); err != nil {
			t.Errorf("remove virtual host %s: %v", name, err)
		}
	})
	return broker.URL + url.PathEscape(name)
}

// manage asks the management API as the default user, who then owns what was
// made.
func (s *sharedBroker) manage(method, address, body string) error {
	s.asking.Lock()
	defer s.asking.Unlock()
	req, err := http.NewRequest(method, address, strings.NewReader(body))
	if err != nil {
		return err
	}
	req.SetBasicAuth("guest", "guest")
	req.Header.Set("Content-Type", "application/json")
	res, err := client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode/100 != 2 {
		return errors.New(res.Status)
	}
	return nil
}

// brokerAddress splits an AMQP address into the variables of the published
// configuration.
func brokerAddress(t *testing.T, address string) map[string]string {
	t.Helper()
	uri, err := amqp.ParseURI(address)
	if err != nil {
		t.Fatal(err)
	}
	return map[string]string{
		"AMQP_ENDPOINT": fmt.Sprintf("%s://%s:%d", uri.Scheme, uri.Host, uri.Port),
		"AMQP_VHOST":    uri.Vhost, "AMQP_USERNAME": uri.Username, "AMQP_PASSWORD": uri.Password,
	}
}
