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
	"go.uber.org/zap"

	"github.com/otelcol-journey/otelcol-journey/internal/journey"
	"github.com/otelcol-journey/otelcol-journey/internal/reload"
	"github.com/otelcol-journey/otelcol-journey/processor/journeyprocessor/internal/arena"
	"github.com/otelcol-journey/otelcol-journey/processor/journeyprocessor/internal/match"
	"github.com/otelcol-journey/otelcol-journey/processor/journeyprocessor/internal/policy"
)

// engine is one processor id: its traces and its logs pipeline share the
// traces that wait and the decisions about them.
type engine struct {
	id        component.ID
	config    *Config
	logger    *zap.Logger
	telemetry *telemetry
	policy    *policy.Policy
	learned   *policy.Learned
	matches   *match.Set
	store     store
	thinner   *thinner
	shards    []*shard
	ledger    *ledger
	began     time.Time  // what instants count from
	shadow    *shadow    // nil: none is set
	reporting *reporting // nil without a reporter; set by Start
	surroundings

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
	// handsOver says that what waits goes to the next engine of this id. It is
	// set before the shards' channels are closed and the releasers stopped.
	handsOver bool
	isReload  func() bool
	saved     *savedState // nil without storage
}

// surroundings is what an engine has from the process that it runs in, and from
// a replay otherwise.
type surroundings struct {
	shardCount int
	now        func() time.Time
	witness    witness
}

// witness is told of each decision, on its shard's goroutine; nil for none.
type witness func(*trace, *policy.Decision, revision)

// revision says whether a decision is the first about its trace.
type revision uint8

const (
	firstDecision revision = iota
	broughtBack            // after a late error, all of the trace
	lateAlone              // after a late error, what came late of it
)

func (w witness) tell(t *trace, d *policy.Decision, r revision) {
	if w != nil {
		w(t, d, r)
	}
}

func newEngine(id component.ID, settings component.TelemetrySettings, config *Config) (*engine, error) {
	return newEngineIn(surroundings{shardCount: runtime.GOMAXPROCS(0), now: time.Now}, id, settings, config)
}

func newEngineIn(in surroundings, id component.ID, settings component.TelemetrySettings, config *Config) (*engine, error) {
	b := &buffer{limit: int64(config.Buffer.Memory), memory: arena.New(poisonFreed)}
	t, err := newTelemetry(settings, config.Telemetry.MaxJourneys, b)
	if err != nil {
		return nil, err
	}
	p, learned, matches, err := compile(config, t.conditionFailed(settings.Logger))
	if err != nil {
		return nil, err
	}
	if err := t.observeLearned(learned); err != nil {
		return nil, err
	}
	e := &engine{
		began: in.now(), id: id, config: config, isReload: reload.IsUnderWay, logger: settings.Logger, telemetry: t,
		policy: p, learned: learned, matches: matches, store: newStore(b),
		shards: make([]*shard, in.shardCount), surroundings: in,
		dropsUntraced: config.Logs.WithoutTrace == "drop",
	}
	for _, warning := range append(ruleWarnings(config.Sampling.Rules), budgetWarnings(&config.Sampling)...) {
		settings.Logger.Warn(warning)
	}
	e.alwaysKeep, err = parseSeverity(config.Logs.AlwaysKeep)
	if err != nil {
		return nil, err
	}
	e.thinner, err = newThinner(config.Sampling.Budget, p.Rules, t, b, e.now)
	if err != nil {
		return nil, err
	}
	e.ledger = newLedger(config.Decisions.Ledger, len(e.shards))
	e.spansOut, e.logsOut = e.newReleaser(&t.spans), e.newReleaser(&t.logs)
	e.shadow, err = newShadow(e)
	return e, err
}

// poisonFreed is set by tests: what is freed is overwritten.
var poisonFreed bool

func (e *engine) newReleaser(count *signalCounters) *releaser {
	r := &releaser{config: e.config.Release, logger: e.logger, count: count, store: &e.store, stopping: make(chan struct{})}
	r.losses = losses{logger: e.logger, signal: count.signal}
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

// Start takes over what the engine of this id before it left, and starts the
// shards and the release. The second pipeline of the same id finds it done.
func (e *engine) Start(ctx context.Context, host component.Host) error {
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
	if err := e.findReporter(host); err != nil {
		return err
	}
	for i := range e.shards {
		e.shards[i] = newShard(e, i)
	}
	if err := e.takeOver(ctx, host); err != nil {
		return err
	}
	for _, s := range e.shards {
		e.deciding.Go(s.run)
	}
	if e.hasTraces {
		e.spansOut.start()
	}
	if e.hasLogs {
		e.logsOut.start()
	}
	e.running = true
	e.reporting.attach(e)
	return nil
}

// Shutdown stops both pipelines of this id, whichever is stopped first: neither
// may send to a shard that no longer decides. What waits is saved if there is
// storage, or left to the next engine if this is a reload; else it is decided,
// and what is kept is sent out until that is done or ctx ends; what has not
// left by then is counted as lost. Safe before Start and twice.
func (e *engine) Shutdown(ctx context.Context) error {
	e.lifecycle.Lock()
	defer e.lifecycle.Unlock()
	if e.stopped {
		return nil
	}
	e.stopped = true
	reload := e.isReload()
	wasRunning := e.closeIntake(reload || e.saved != nil)
	e.deciding.Wait()
	e.sayCutShort()
	var h *handover
	if wasRunning && e.handsOver {
		h = e.bequeathAll(ctx)
	}
	spans, logs := e.spansOut.stop(ctx, h != nil), e.logsOut.stop(ctx, h != nil)
	if h != nil {
		e.leave(ctx, h, spans, logs, reload)
	}
	e.reporting.detach()
	e.telemetry.Shutdown()
	return errors.Join(ctx.Err(), e.saved.close(ctx))
}

// closeIntake makes the shards return, and says whether they ran.
func (e *engine) closeIntake(handsOver bool) bool {
	e.gate.Lock()
	defer e.gate.Unlock()
	if !e.running {
		return false
	}
	e.running, e.handsOver = false, handsOver
	if !handsOver {
		e.thinner.drain()
		e.shadow.drain()
	}
	for _, s := range e.shards {
		close(s.in)
	}
	return true
}

// sayCutShort says how many journeys this stop has decided before their time.
func (e *engine) sayCutShort() {
	n := 0
	for _, s := range e.shards {
		if s != nil {
			n += s.cutShort
		}
	}
	if n > 0 {
		e.logger.Warn("Decided journeys before they were finished, because this is a stop without storage", zap.Int("journeys", n))
	}
}
