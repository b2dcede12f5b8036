package e2e

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/otelcol-journey/otelcol-journey/internal/stack"
)

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

// isForeign says that the broker is one of AMQP_URL.
func (s *sharedBroker) isForeign() bool { return s.broker != nil && !s.broker.Owned() }

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
	return s.vhostNamed(t, strings.ReplaceAll(t.Name(), "/", "."), true)
}

// vhostNamed makes one at a broker of the tests' own, with the firehose on or off.
func (s *sharedBroker) vhostNamed(t *testing.T, name string, tracing bool) string {
	t.Helper()
	broker := s.get(t)
	api := broker.ManagementURL + "/api/vhosts/" + url.PathEscape(name)
	eventually(t, "make virtual host "+name, func() error {
		return s.manage(http.MethodPut, api, fmt.Sprintf(`{"tracing": %t}`, tracing))
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
	req, err := http.NewRequestWithContext(background(), method, address, strings.NewReader(body))
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
