package journeyprocessor

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
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
	Send   []span        `yaml:"send"`
	Times  int           `yaml:"times"` // sends so many traces, numbered
	Log    []record      `yaml:"log"`
	Wait   time.Duration `yaml:"wait"`
	Sink   string        `yaml:"sink"` // takes, is busy, or refuses
	Expect *expectation  `yaml:"expect"`
}

type expectation struct {
	Kept    map[string]int            `yaml:"kept"` // spans in the sink by trace
	Dropped int64                     `yaml:"dropped"`
	Pending int64                     `yaml:"pending"`
	Held    *int64                    `yaml:"held"` // spans of dropped; not looked at if left out
	Lost    int64                     `yaml:"lost"`
	Tags    map[string]map[string]any `yaml:"tags"`  // of the span that carries them, by trace
	Names   map[string]string         `yaml:"names"` // journey.name of every span of a trace
	Logs    []string                  `yaml:"logs"`  // bodies in the sink
	Early   int64                     `yaml:"early"`
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
			text, err := os.ReadFile(file)
			require.NoError(t, err)
			var s scenario
			require.NoError(t, yaml.Unmarshal(text, &s))
			require.NotEmpty(t, s.About)
			config, err := yaml.Marshal(&s.Config)
			require.NoError(t, err)
			inBubble(t, string(config), func(_ *testing.T, h *harness) { s.play(h) })
		})
	}
}

func (s *scenario) play(h *harness) {
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
		for n := range max(step.Times, 1) {
			if step.Send != nil {
				h.send(numbered(step.Send, n, step.Times)...)
			}
		}
		if step.Log != nil {
			h.sendLogs(step.Log...)
		}
		h.wait(step.Wait)
		h.holdsTheLaw()
		if step.Expect != nil {
			step.Expect.check(h)
		}
	}
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
	require.Len(h.t, h.sink.all(), total, "spans in the sink")
	// What is held for recall was decided to be dropped.
	held := h.value("processor_journey_spans_recallable")
	require.Equal(h.t, e.Dropped, h.value("processor_journey_spans_dropped")+held, "dropped")
	require.Equal(h.t, e.Pending, h.value("processor_journey_spans_pending")-held, "pending")
	if e.Held != nil {
		require.Equal(h.t, *e.Held, held, "held")
	}
	require.Equal(h.t, e.Lost, h.value("processor_journey_spans_lost"), "lost")
	require.Equal(h.t, e.Early, h.value("processor_journey_early_decisions"), "early decisions")
	for trace, name := range e.Names {
		for _, span := range h.sink.of(trace) {
			got, _ := span.Attributes().Get(attrName)
			require.Equal(h.t, name, got.AsString())
		}
	}
	for trace, tags := range e.Tags {
		e.checkTags(h, trace, tags)
	}
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
