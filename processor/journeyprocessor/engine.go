package journeyprocessor

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.uber.org/zap"

	"github.com/otelcol-journey/otelcol-journey/internal/journey"
	"github.com/otelcol-journey/otelcol-journey/processor/journeyprocessor/internal/arena"
	"github.com/otelcol-journey/otelcol-journey/processor/journeyprocessor/internal/match"
	"github.com/otelcol-journey/otelcol-journey/processor/journeyprocessor/internal/policy"
)

// engine is one processor id: its traces and its logs pipeline share the
// traces that wait and the decisions about them.
type engine struct {
	config    *Config
	logger    *zap.Logger
	telemetry *telemetry
	policy    *policy.Policy
	matches   *match.Set
	store     store
	thinner   *thinner
	shards    []*shard
	ledger    *ledger

	marshalTraces ptrace.ProtoMarshaler
	marshalLogs   plog.ProtoMarshaler
	alwaysKeep    plog.SeverityNumber
	dropsUntraced bool

	// Nil-consumer releasers are never started: nothing comes their way.
	spansOut, logsOut  *releaser
	hasTraces, hasLogs bool
	deciding           sync.WaitGroup // the shards' goroutines

	// gate is read-locked while a batch is handed over, so that the shards'
	// channels can be closed knowing that nobody is sending on them.
	gate    sync.RWMutex
	running bool // guarded by gate
	// lifecycle orders Start and Shutdown, which both pipelines call.
	lifecycle sync.Mutex
	stopped   bool // guarded by lifecycle
}

func newEngine(settings component.TelemetrySettings, config *Config) (*engine, error) {
	p, matches, err := compile(config)
	if err != nil {
		return nil, err
	}
	b := &buffer{limit: int64(config.Buffer.Memory), memory: arena.New(poisonFreed)}
	t, err := newTelemetry(settings, config.Telemetry.MaxJourneys, b)
	if err != nil {
		return nil, err
	}
	e := &engine{
		config: config, logger: settings.Logger, telemetry: t,
		policy: p, matches: matches, store: store{buffer: b, headers: newHeaderTable(b)},
		shards:        make([]*shard, runtime.GOMAXPROCS(0)),
		dropsUntraced: config.Logs.WithoutTrace == "drop",
	}
	e.alwaysKeep, err = parseSeverity(config.Logs.AlwaysKeep)
	if err != nil {
		return nil, err
	}
	e.thinner, err = newThinner(&config.Sampling, p.Rules, t, b, time.Now())
	e.ledger = newLedger(config.Decisions.Ledger, len(e.shards))
	e.spansOut, e.logsOut = e.newReleaser(&t.spans), e.newReleaser(&t.logs)
	return e, err
}

// poisonFreed is set by tests: what is freed is overwritten.
var poisonFreed bool

func (e *engine) newReleaser(count *signalCounters) *releaser {
	r := &releaser{config: e.config.Release, logger: e.logger, count: count, store: &e.store}
	r.waiting = sync.NewCond(&r.mu)
	return r
}

// errSecondPipeline says what to do instead: two pipelines behind one id would
// get each other's spans.
var errSecondPipeline = errors.New("journey: this id is already used in a pipeline of this signal; use another id, such as journey/2")

func (e *engine) setTraces(next consumer.Traces) error {
	if e.hasTraces {
		return errSecondPipeline
	}
	e.hasTraces = true
	e.spansOut.deliver = e.deliverTraces(next)
	return nil
}

func (e *engine) setLogs(next consumer.Logs) error {
	if e.hasLogs {
		return errSecondPipeline
	}
	e.hasLogs = true
	e.logsOut.deliver = e.deliverLogs(next)
	return nil
}

// Decisions is the ledger of what was decided lately.
func (e *engine) Decisions() journey.Ledger { return e.ledger }

// Capabilities says that batches are only read: what leaves is built anew.
func (*engine) Capabilities() consumer.Capabilities { return consumer.Capabilities{MutatesData: false} }

// Start starts the shards and the release. The second pipeline of the same id
// finds it done.
func (e *engine) Start(context.Context, component.Host) error {
	e.lifecycle.Lock()
	defer e.lifecycle.Unlock()
	e.gate.Lock()
	defer e.gate.Unlock()
	if e.running || e.stopped {
		return nil
	}
	if e.hasLogs && !e.hasTraces {
		e.logger.Warn("journey is in a logs pipeline only: log records have no spans whose decision they could follow")
	}
	for i := range e.shards {
		e.shards[i] = newShard(e, i)
		e.deciding.Go(e.shards[i].run)
	}
	if e.hasTraces {
		e.spansOut.start()
	}
	if e.hasLogs {
		e.logsOut.start()
	}
	e.running = true
	return nil
}

// Shutdown decides about everything that waits, sends out what is kept, and
// returns when that is done or ctx ends; what has not left by then is counted
// as lost. The first pipeline that stops stops both: neither may send to a
// shard that no longer decides. Safe before Start and twice.
func (e *engine) Shutdown(ctx context.Context) error {
	e.lifecycle.Lock()
	defer e.lifecycle.Unlock()
	if e.stopped {
		return nil
	}
	e.stopped = true
	e.gate.Lock()
	if e.running {
		e.running = false
		e.thinner.drain()
		for _, s := range e.shards {
			close(s.in) // the shard decides the rest and returns
		}
	}
	e.gate.Unlock()
	e.deciding.Wait()
	e.spansOut.stop(ctx)
	e.logsOut.stop(ctx)
	e.telemetry.Shutdown()
	return ctx.Err()
}
