// Package stacktest gives tests a real broker. A package that needs one shares
// it between its tests through TestMain:
//
//	var broker = stacktest.Shared(stack.BrokerSpec{})
//
//	func TestMain(m *testing.M) { os.Exit(broker.Run(m)) }
//
//	func TestSomething(t *testing.T) { b := broker.Get(t) … }
package stacktest

import (
	"context"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/otelcol-journey/otelcol-journey/internal/stack"
)

// startTimeout is ample for a node (4 s alone, 20 s on a busy machine) and
// enough to pull an image over a usual line.
const startTimeout = 3 * time.Minute

const stopTimeout = 30 * time.Second

// BrokerForTest starts a broker for this test alone and ends it with the test.
// It skips the test, in one line, where no broker can be had without installing.
func BrokerForTest(t testing.TB, plugins ...string) *stack.Broker {
	t.Helper()
	skipWithoutBroker(t)
	ctx, cancel := context.WithTimeout(t.Context(), startTimeout)
	defer cancel()
	b, err := stack.StartBroker(ctx, stack.BrokerSpec{Dir: t.TempDir(), Plugins: plugins, NoInstall: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
		defer cancel()
		if err := b.Stop(ctx); err != nil {
			t.Error(err)
		}
	})
	return b
}

func skipWithoutBroker(t testing.TB) {
	t.Helper()
	if !stack.CanStartBroker(t.Context()) {
		t.Skip("no RabbitMQ here: set AMQP_URL, start a Docker engine or install rabbitmq-server")
	}
}

// SharedBroker is one broker for all tests of a package, started by the first
// test that asks for it.
type SharedBroker struct {
	spec stack.BrokerSpec

	mu     sync.Mutex // guards what follows
	dir    string
	broker *stack.Broker
	err    error
}

// Shared describes the broker; its Dir is chosen and removed by Run.
func Shared(spec stack.BrokerSpec) *SharedBroker { return &SharedBroker{spec: spec} }

// Get returns the broker, starting it if no test has yet, or skips the test.
// A test that kills the broker must restart it before it ends.
func (s *SharedBroker) Get(t testing.TB) *stack.Broker {
	t.Helper()
	if s.spec.Config == nil {
		skipWithoutBroker(t)
	} else if !stack.CanStartNode() {
		t.Skip("no RabbitMQ installed here that could be configured for this test")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.broker == nil && s.err == nil {
		s.broker, s.err = s.start()
	}
	if s.err != nil {
		t.Fatal(s.err)
	}
	return s.broker
}

func (s *SharedBroker) start() (*stack.Broker, error) {
	dir, err := os.MkdirTemp("", "broker")
	if err != nil {
		return nil, err
	}
	s.dir = dir
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	spec := s.spec
	spec.Dir, spec.NoInstall = dir, true
	return stack.StartBroker(ctx, spec)
}

// Run runs the package's tests and then ends the broker. Its result is the
// exit code. checks run after that, for example a look for leaked goroutines;
// the first that fails makes the code 1.
func (s *SharedBroker) Run(m *testing.M, checks ...func() error) int {
	code := m.Run()
	for _, check := range append([]func() error{s.Stop}, checks...) {
		if err := check(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = max(code, 1)
		}
	}
	return code
}

// Stop ends the broker if it was started. Run does so, too: a second shared broker
// of a package ends as one of the checks of the first.
func (s *SharedBroker) Stop() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.dir == "" {
		return nil
	}
	defer os.RemoveAll(s.dir)
	if s.broker == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
	defer cancel()
	return s.broker.Stop(ctx)
}
