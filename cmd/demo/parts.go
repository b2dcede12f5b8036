package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/otelcol-journey/otelcol-journey/internal/stack"
)

const (
	// brokerTimeout bounds the start of the broker, installing it or pulling its
	// image included.
	brokerTimeout = 5 * time.Minute
	// startTimeout bounds the start of any other part; they take seconds.
	startTimeout = time.Minute
	stopTimeout  = 40 * time.Second
)

// running is a started part.
type running interface {
	// Exited is closed when the part has ended; nil if that is not ours to know.
	Exited() <-chan struct{}
	PID() int
	Stop(ctx context.Context) error
}

// part is one thing of the demo that runs. start may be called again after the
// part has ended; it then continues on the same data and ports.
type part struct {
	name    string
	timeout time.Duration // of a start
	start   func(ctx context.Context) (running, error)
	current running // nil before the first start
	ready   atomic.Bool
}

// group is parts that start at the same time, once the groups before it run.
type group struct {
	name  string
	parts []*part
}

// assembly is all parts of a demo, in the order of their start.
type assembly struct {
	groups []group
	broker *stack.Broker // set by the start of its part
}

// newAssembly describes the parts; dir takes all they write.
func newAssembly(s *settings, dir string, log io.Writer) *assembly {
	a := &assembly{}
	a.groups = []group{
		{"start RabbitMQ and two Jaegers", []*part{
			a.brokerPart(s, dir, log),
			jaegerPart(s, dir, "jaeger-kept", "DEMO_JAEGER"),
			jaegerPart(s, dir, "jaeger-all", "DEMO_JAEGER_ALL"),
		}},
		{"start the collector with otelcol-config.yaml", []*part{a.collectorPart(s, dir)}},
		{"start the shop", a.shopParts(s, dir)},
	}
	return a
}

func (a *assembly) brokerPart(s *settings, dir string, log io.Writer) *part {
	return &part{name: "rabbitmq", timeout: brokerTimeout, start: func(ctx context.Context) (running, error) {
		if a.broker != nil {
			return a.broker, a.broker.Restart(ctx)
		}
		b, err := stack.StartBroker(ctx, stack.BrokerSpec{
			Dir: filepath.Join(dir, "rabbitmq"), Port: s.ports["DEMO_RABBITMQ_PORT"], Log: log,
		})
		if err != nil {
			return nil, err
		}
		a.broker = b
		// Without it the journeys that RabbitMQ alone can tell about would look
		// well, and the table would blame the collector.
		return b, b.CheckFirehose(ctx)
	}}
}

// jaegerPart describes one Jaeger; its ports are the variables that begin with
// the prefix.
func jaegerPart(s *settings, dir, name, prefix string) *part {
	return &part{name: name, timeout: startTimeout, start: func(ctx context.Context) (running, error) {
		return started(stack.StartJaeger(ctx, stack.JaegerSpec{
			Name: name, Path: s.bin("jaeger"), Dir: filepath.Join(dir, name),
			QueryPort: s.ports[prefix+"_PORT"], OTLPPort: s.ports[prefix+"_OTLP_PORT"],
			MetricsPort: s.ports[prefix+"_METRICS_PORT"],
		}))
	}}
}

// started keeps a nil pointer from becoming a part that seems to run.
func started[R running](r R, err error) (running, error) {
	if err != nil {
		return nil, err
	}
	return r, nil
}

// start starts one group after the other. On an error the caller stops what
// runs.
func (a *assembly) start(ctx context.Context, t *terminal) error {
	for _, g := range a.groups {
		if err := t.step(ctx, g.name, g.waiting, g.start); err != nil {
			return err
		}
	}
	return nil
}

// start starts all parts of the group. When one cannot start, the others are
// not waited for any longer.
func (g group) start(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	errs := make([]error, len(g.parts))
	var wg sync.WaitGroup
	for i, p := range g.parts {
		wg.Go(func() {
			if errs[i] = p.run(ctx); errs[i] != nil {
				cancel()
			}
		})
	}
	wg.Wait()
	return firstCause(errs)
}

// firstCause leaves out the errors of those that were only given up because
// another one failed.
func firstCause(errs []error) error {
	var causes, given []error
	for _, err := range errs {
		if errors.Is(err, context.Canceled) {
			given = append(given, err)
		} else {
			causes = append(causes, err)
		}
	}
	if err := errors.Join(causes...); err != nil {
		return err
	}
	return errors.Join(given...)
}

// waiting names the parts that are not ready yet.
func (g group) waiting() string {
	var names []string
	for _, p := range g.parts {
		if !p.ready.Load() {
			names = append(names, p.name)
		}
	}
	return "waiting for " + strings.Join(names, ", ")
}

// run starts the part, for the first time or again.
func (p *part) run(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, p.timeout)
	defer cancel()
	current, err := p.start(ctx)
	if current != nil {
		p.current = current // also beside an error: it is to be stopped
	}
	if err != nil {
		return err
	}
	p.ready.Store(true)
	return nil
}

// parts are all parts in the order of their start.
func (a *assembly) parts() []*part {
	var all []*part
	for _, g := range a.groups {
		all = append(all, g.parts...)
	}
	return all
}

// stop ends the groups in the opposite order, so that the shop's last spans
// still find a collector and the collector's a Jaeger.
func (a *assembly) stop() error {
	ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
	defer cancel()
	var all []error
	for _, g := range slices.Backward(a.groups) {
		errs := make([]error, len(g.parts))
		var wg sync.WaitGroup
		for i, p := range g.parts {
			if p.current != nil {
				wg.Go(func() { errs[i] = p.current.Stop(ctx) })
			}
		}
		wg.Wait()
		all = append(all, errs...)
	}
	return errors.Join(all...)
}

// ended is the name of a part that runs no longer, or "".
func (a *assembly) ended() string {
	for _, p := range a.parts() {
		if p.current == nil {
			continue
		}
		select {
		case <-p.current.Exited():
			return p.name
		default:
		}
	}
	return ""
}

// fresh empties a directory below .run.
func fresh(dir string) error {
	if err := os.RemoveAll(dir); err != nil {
		return fmt.Errorf("clear the last run: %w", err)
	}
	return os.MkdirAll(dir, 0o755)
}
