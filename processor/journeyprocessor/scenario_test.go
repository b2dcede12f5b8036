package journeyprocessor

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/consumer/consumererror"
	"go.yaml.in/yaml/v3"
)

// scenario is a file of testdata/scenarios: what a user configured, what then
// happened, and what came of it.
type scenario struct {
	About  string    `yaml:"about"`
	Config yaml.Node `yaml:"config"`
	Steps  []step    `yaml:"steps"`
}

// step is one thing that happens, or one look at what has come of it.
type step struct {
	Send   []span   `yaml:"send"`
	Tenant string   `yaml:"tenant"` // in the header that the batches of send come with
	Times  int      `yaml:"times"`  // sends so many traces, numbered
	Log    []record `yaml:"log"`
	// Reload goes on with another configuration, in the same process.
	Reload yaml.Node `yaml:"reload"`
	// Restart stops the collector and starts it after so long. A storage
	// extension called file_storage is always there, whether it is set or not.
	Restart time.Duration `yaml:"restart"`
	Wait    time.Duration `yaml:"wait"`
	Sink    string        `yaml:"sink"` // takes, is busy, or refuses
	Expect  *expectation  `yaml:"expect"`
}

type expectation struct {
	Kept    map[string]int            `yaml:"kept"`   // spans in the sink by trace
	InAll   int                       `yaml:"in_all"` // spans in the sink; if left out, those of kept
	Dropped int64                     `yaml:"dropped"`
	Pending int64                     `yaml:"pending"`
	Held    *int64                    `yaml:"held"` // spans of dropped; not looked at if left out
	Lost    int64                     `yaml:"lost"`
	Tags    map[string]map[string]any `yaml:"tags"`  // of the span that carries them, by trace
	Names   map[string]string         `yaml:"names"` // journey.name of every span of a trace
	Logs    []string                  `yaml:"logs"`  // bodies in the sink
	Early   int64                     `yaml:"early"`
	States  map[string][]string       `yaml:"states"`  // tracestates of a trace's spans, in the order in which they left
	Tenants map[string]string         `yaml:"tenants"` // in the header that a trace's spans left with
	// Loosely looks at nothing but what is set: how much is decided early
	// depends on the number of shards.
	Loosely bool `yaml:"loosely"`
	// MemoryBelow is for all that waits, as the metrics say.
	MemoryBelow *ByteSize `yaml:"memory_below"`
	// Ledger is what a look-up of a trace answers; null for nothing.
	Ledger map[string]map[string]any `yaml:"ledger"`
	// Metrics are sums over what has the attributes.
	Metrics []struct {
		Name       string   `yaml:"name"` // without processor_journey_
		Attributes []string `yaml:"attributes,flow"`
		Value      int64    `yaml:"value"`
	} `yaml:"metrics"`
}

func TestScenarios(t *testing.T) {
	files, err := filepath.Glob("testdata/scenarios/*.yaml")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			written, err := os.Open(file)
			require.NoError(t, err)
			defer written.Close()
			var s scenario
			strict := yaml.NewDecoder(written)
			strict.KnownFields(true)
			require.NoError(t, strict.Decode(&s))
			require.NotEmpty(t, s.About)
			inBubble(t, text(t, &s.Config), func(_ *testing.T, h *harness) { s.play(h) })
		})
	}
}

func (s *scenario) play(h *harness) {
	config := s.Config
	for i, step := range s.Steps {
		h.t.Logf("step %d", i+1)
		switch step.Sink {
		case "takes":
			h.sink.refuse(nil)
		case "is busy":
			h.sink.refuse(errBusy)
		case "refuses":
			h.sink.refuse(consumererror.NewPermanent(errors.New("never")))
		}
		step.send(h)
		if step.Log != nil {
			h.sendLogs(step.Log...)
		}
		if !step.Reload.IsZero() {
			config = step.Reload
			h.reload(text(h.t, &config))
		}
		if step.Restart > 0 {
			h.end()
			h.wait(step.Restart)
			h.begin(text(h.t, &config))
		}
		h.wait(step.Wait)
		h.holdsTheLaw()
		if step.Expect != nil {
			step.Expect.check(h)
		}
	}
}

func (s *step) send(h *harness) {
	h.t.Helper()
	for n := range max(s.Times, 1) {
		if s.Send == nil {
			continue
		}
		ctx := h.t.Context()
		if s.Tenant != "" {
			ctx = withTenant(ctx, s.Tenant)
		}
		require.NoError(h.t, h.traces.ConsumeTraces(ctx, batch(numbered(s.Send, n, s.Times))))
		synctest.Wait()
	}
}

// text is a part of a scenario as it was written.
func text(t *testing.T, node *yaml.Node) string {
	t.Helper()
	if node.Alias != nil {
		node = node.Alias
	}
	b, err := yaml.Marshal(node)
	require.NoError(t, err)
	return string(b)
}

// numbered gives the spans the trace of their turn, if there are several.
func numbered(spans []span, n, times int) []span {
	if times <= 1 {
		return spans
	}
	spans = slices.Clone(spans)
	for i := range spans {
		spans[i].Trace += fmt.Sprint(" ", n)
	}
	return spans
}

func (e *expectation) check(h *harness) {
	h.t.Helper()
	total := 0
	for trace, n := range e.Kept {
		require.Len(h.t, h.sink.of(trace), n, "spans of %s", trace)
		total += n
	}
	if e.InAll > 0 {
		total = e.InAll
	}
	if !e.Loosely {
		e.checkCounts(h, total)
	}
	if e.MemoryBelow != nil {
		require.Less(h.t, h.value("processor_journey_buffer_bytes"), int64(*e.MemoryBelow))
	}
	e.checkSpans(h)
	for trace, answer := range e.Ledger {
		checkLedger(h, trace, answer)
	}
	for _, m := range e.Metrics {
		require.Equal(h.t, m.Value, h.value("processor_journey_"+m.Name, m.Attributes...), "%s %s", m.Name, m.Attributes)
	}
	if e.Logs != nil {
		require.ElementsMatch(h.t, e.Logs, h.sink.bodies())
	}
}

// checkCounts checks how many spans are where.
func (e *expectation) checkCounts(h *harness, inSink int) {
	h.t.Helper()
	got := len(h.sink.all())
	require.Equal(h.t, inSink, got, "spans in the sink")
	// What is held for recall was decided to be dropped.
	held := h.value("processor_journey_spans_recallable")
	require.Equal(h.t, e.Dropped, h.value("processor_journey_spans_dropped")+held, "dropped")
	require.Equal(h.t, e.Pending, h.value("processor_journey_spans_pending")-held, "pending")
	if e.Held != nil {
		require.Equal(h.t, *e.Held, held, "held")
	}
	require.Equal(h.t, e.Lost, h.value("processor_journey_spans_lost"), "lost")
	require.Equal(h.t, e.Early, h.value("processor_journey_early_decisions"), "early decisions")
}

// checkSpans checks what is written on the spans in the sink.
func (e *expectation) checkSpans(h *harness) {
	h.t.Helper()
	for trace, name := range e.Names {
		for _, span := range h.sink.of(trace) {
			got, _ := span.Attributes().Get(attrName)
			require.Equal(h.t, name, got.AsString())
		}
	}
	for trace, tags := range e.Tags {
		e.checkTags(h, trace, tags)
	}
	for trace, want := range e.States {
		var states []string
		for _, span := range h.sink.of(trace) {
			states = append(states, span.TraceState().AsRaw())
		}
		require.Equal(h.t, want, states, "tracestates of %s", trace)
	}
	for trace, tenant := range e.Tenants {
		require.Equal(h.t, []string{tenant}, h.sink.tenantsOf(trace), "tenants of %s", trace)
	}
}

func checkLedger(h *harness, trace string, want map[string]any) {
	h.t.Helper()
	d, ok := h.ledger().Lookup(traceID(trace))
	require.Equal(h.t, want != nil, ok, "%s is in the ledger", trace)
	got := map[string]any{
		"journey": d.Journey, "outcome": d.Outcome, "outcome_reason": d.OutcomeReason, "kept": d.Kept, "rule": d.Rule, "reason": d.Reason,
		"probability": d.Probability, "early": d.Early, "complete": d.Complete, "path": strings.Join(d.Path, " "),
		"root": d.RootService + " " + d.RootSpan, "spans": d.Spans, "late_spans": d.LateSpans, "duration": d.Duration.String(),
		"steps_reached": strings.Join(d.StepsReached, " "), "steps_missing": strings.Join(d.StepsMissing, " "),
	}
	for key, value := range want {
		require.Contains(h.t, got, key)
		require.EqualValues(h.t, value, got[key], "%s of %s", key, trace)
	}
}

func (*expectation) checkTags(h *harness, trace string, want map[string]any) {
	h.t.Helper()
	tagged := 0
	for _, span := range h.sink.of(trace) {
		if _, ok := span.Attributes().Get(attrID); !ok {
			continue
		}
		tagged++
		got := span.Attributes().AsRaw()
		got["span"], got["tracestate"] = span.Name(), span.TraceState().AsRaw()
		for key, value := range want {
			if value == nil {
				require.NotContains(h.t, got, key)
				continue
			}
			require.EqualValues(h.t, value, got[key], "%s of %s", key, trace)
		}
	}
	require.Equal(h.t, 1, tagged, "spans of %s with journey tags", trace)
}
