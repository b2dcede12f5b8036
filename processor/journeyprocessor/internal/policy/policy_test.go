package policy

import (
	"testing"
	"time"

	"github.com/open-telemetry/opentelemetry-collector-contrib/pkg/sampling"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"github.com/otelcol-journey/otelcol-journey/processor/journeyprocessor/internal/facts"
	"github.com/otelcol-journey/otelcol-journey/processor/journeyprocessor/internal/match"
)

// traceFacts are facts of a trace of one root span that took the given time,
// and whatever change does to them.
func traceFacts(took time.Duration, change func(*facts.Facts)) *facts.Facts {
	span := ptrace.NewSpan()
	span.SetSpanID(pcommon.SpanID{1})
	span.SetName("GET /")
	span.SetStartTimestamp(1000)
	span.SetEndTimestamp(pcommon.Timestamp(1000 + took))
	f := &facts.Facts{}
	f.Add(resource("gateway", false), span)
	if change != nil {
		change(f)
	}
	return f
}

func resource(service string, broker bool) *facts.Resource {
	r := facts.NewResource(service, broker, true)
	return &r
}

// decide decides with nothing learned.
func decide(p *Policy, id pcommon.TraceID, f *facts.Facts, ending Ending) Decision {
	return p.Decide(id, f, ending, p.NewLearned(Percentiles{MinJourneys: 1, Window: time.Minute, MaxNames: 10}, 10), time.Unix(1000, 0))
}

func child(parent byte, change func(ptrace.Span)) func(*facts.Facts) {
	return func(f *facts.Facts) {
		span := ptrace.NewSpan()
		span.SetSpanID(pcommon.SpanID{2})
		span.SetParentSpanID(pcommon.SpanID{parent})
		span.SetName("work")
		span.SetStartTimestamp(2000)
		span.SetEndTimestamp(pcommon.Timestamp(5 * time.Minute))
		if change != nil {
			change(span)
		}
		f.Add(resource("stock", true), span)
	}
}

func waiting(span ptrace.Span) {
	span.Attributes().PutEmptySlice("amqp.routed_queues").AppendEmpty().SetStr("mail")
}

// sibling is another child of the root.
func sibling(change func(ptrace.Span)) func(*facts.Facts) {
	return child(1, func(span ptrace.Span) { span.SetSpanID(pcommon.SpanID{3}); change(span) })
}

func unroutable(span ptrace.Span) {
	failing(span)
	span.Attributes().PutStr("error.type", "unroutable")
}

func failing(span ptrace.Span) { span.Status().SetCode(ptrace.StatusCodeError) }

var waits = Waits{Quiet: time.Second, Missing: 10 * time.Second, Message: time.Minute, Max: 2 * time.Minute}

func TestTheWaitDependsOnWhatIsMissing(t *testing.T) {
	first := time.Unix(1000, 0)
	journey := Journey{Name: "a", Match: 0, Steps: []Step{{Name: "s", Match: 1}}, Waits: waits}
	named := func(f *facts.Facts) { f.Held.Set(0) }
	for _, test := range []struct {
		name string
		f    *facts.Facts
		last time.Duration // after first
		want time.Duration // after first
	}{
		{"nothing", traceFacts(0, nil), 0, waits.Quiet},
		{"nothing, and more came", traceFacts(0, nil), 5 * time.Second, 5*time.Second + waits.Quiet},
		{"a parent", traceFacts(0, child(9, nil)), 0, waits.Missing},
		{"a message", traceFacts(0, child(1, waiting)), 0, waits.Message},
		{"a message goes before a parent", traceFacts(0, child(9, waiting)), 0, waits.Message},
		{"a step", traceFacts(0, named), 0, waits.Missing},
		{"a step behind an unroutable message", traceFacts(0, func(f *facts.Facts) { named(f); child(1, unroutable)(f) }), 0, waits.Quiet},
		{"a message goes before an unroutable one", traceFacts(0, func(f *facts.Facts) { named(f); child(1, unroutable)(f); sibling(waiting)(f) }), 0, waits.Message},
		{"no step", traceFacts(0, func(f *facts.Facts) { named(f); f.Held.Set(1) }), 0, waits.Quiet},
		{"the root", &facts.Facts{Spans: 1}, 0, waits.Missing},
		{"never beyond the maximum", traceFacts(0, child(1, waiting)), 90 * time.Second, waits.Max},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := Policy{Journeys: []Journey{journey}, Waits: waits}
			require.Equal(t, test.want, p.Deadline(test.f, &Learned{}, first, first.Add(test.last)).Sub(first))
		})
	}
}

func TestTheOutcomeAndItsReason(t *testing.T) {
	strict := Outcomes{RootlessIsIncomplete: true}
	steps := []Journey{{Name: "a", Match: 0, Steps: []Step{{Name: "paid", Match: 1}}}}
	named := func(f *facts.Facts) { f.Held.Set(0) }
	for _, test := range []struct {
		name     string
		f        *facts.Facts
		outcomes Outcomes
		ending   Ending
		want     Outcome
		why      string
	}{
		{"ok", traceFacts(0, nil), strict, Waited, OK, ""},
		{"an error anywhere", traceFacts(0, child(1, failing)), strict, Waited, Error, `"work" of "stock" failed`},
		{"an error not on the root", traceFacts(0, child(1, failing)), Outcomes{ErrorOn: ErrorOnRootSpan}, Waited, OK, ""},
		{"an error goes before a missing step", traceFacts(0, func(f *facts.Facts) { named(f); child(1, failing)(f) }), strict, Waited, Error, `"work" of "stock" failed`},
		{"unroutable", traceFacts(0, child(1, unroutable)), strict, Waited, Incomplete, `a message was unroutable: "work"`},
		{"unroutable is known early", traceFacts(0, child(1, unroutable)), strict, Early, Incomplete, `a message was unroutable: "work"`},
		{"not delivered", traceFacts(0, child(1, waiting)), strict, Waited, Incomplete, `a message in "mail" was not delivered`},
		{"not delivered yet", traceFacts(0, child(1, waiting)), strict, Early, OK, ""},
		{"a step", traceFacts(0, named), strict, Waited, Incomplete, `step "paid" is missing`},
		{"a step that was not waited for", traceFacts(0, named), strict, Early, OK, ""},
		{"no root", &facts.Facts{Spans: 1}, strict, Waited, Incomplete, "the root span is missing"},
		{"no root, by setting", &facts.Facts{Spans: 1}, Outcomes{}, Waited, OK, ""},
		{"only log records", &facts.Facts{}, strict, Waited, OK, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := Policy{
				Journeys: steps, Outcomes: test.outcomes,
				Rules: []Rule{{Name: "ok", When: When{Outcome: &[]Outcome{OK}[0]}}, {Name: "rest", When: When{Outcome: &test.want}, Sampled: "rest"}},
			}
			d := decide(&p, pcommon.TraceID{1}, test.f, test.ending)
			require.Equal(t, test.want, d.Outcome)
			if test.why != "" {
				require.Equal(t, test.why, d.Reason)
			}
		})
	}
}

func TestARuleHoldsIfAllThatIsSetInItHolds(t *testing.T) {
	slow, index := traceFacts(1100*time.Millisecond, child(1, nil)), match.Index(7)
	slow.Held.Set(index)
	other := match.Index(8)
	incomplete := Incomplete
	for _, test := range []struct {
		name   string
		when   When
		holds  bool
		reason string
	}{
		{"nothing is set", When{}, true, "sampled"},
		{"slower", When{SlowerThan: Limit{Fixed: time.Second}}, true, "root span took 1.1s, slower than 1s"},
		{"as slow", When{SlowerThan: Limit{Fixed: 1100 * time.Millisecond}}, false, ""},
		{"longer", When{LongerThan: Limit{Fixed: 4 * time.Minute}}, true, "lasted 5m0s, longer than 4m0s"},
		{"shorter", When{LongerThan: Limit{Fixed: 6 * time.Minute}}, false, ""},
		{"journey", When{Journey: "gateway GET /"}, true, "sampled"},
		{"another journey", When{Journey: "checkout"}, false, ""},
		{"match", When{Match: &index}, true, "sampled"},
		{"another match", When{Match: &other}, false, ""},
		{"outcome", When{Outcome: &incomplete}, false, ""},
		{"all but one", When{Match: &index, SlowerThan: Limit{Fixed: time.Second}, Outcome: &incomplete}, false, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := Policy{Rules: []Rule{{Name: "tested", When: test.when, Threshold: sampling.NeverSampleThreshold, Sampled: "sampled"}}}
			d := decide(&p, pcommon.TraceID{15: 0xff}, slow, Waited)
			require.Equal(t, !test.holds, d.Kept)
			if test.holds {
				require.Equal(t, "tested", d.Rule)
				require.Equal(t, test.reason, d.Reason)
			} else {
				require.Equal(t, "no rule", d.Rule)
			}
		})
	}
}

func TestARootlessJourneyIsNeverSlow(t *testing.T) {
	f := &facts.Facts{}
	child(1, nil)(f)
	p := Policy{Rules: []Rule{{Name: "slow", When: When{SlowerThan: Limit{Fixed: time.Nanosecond}}}}}
	d := decide(&p, pcommon.TraceID{1}, f, Waited)
	require.Equal(t, "no rule", d.Rule)
	require.Equal(t, "stock work", d.Journey, "named by its earliest span")
	require.False(t, d.Complete)
}
