package page

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/otelcol-journey/otelcol-journey/test/browser"
)

type figures = map[string]float64

func (v *sight) figures(root string) figures {
	v.t.Helper()
	return browser.Eval[figures](v.Tab, fmt.Sprintf("probe.figures(%q)", root))
}

// of takes a figure out of an answer: "spans.received".
func of(t *testing.T, answer map[string]any, names ...string) float64 {
	t.Helper()
	var at any = answer
	for _, name := range names {
		at = at.(map[string]any)[name]
	}
	require.IsType(t, 0.0, at, "%v", names)
	return at.(float64)
}

func TestEveryFigureIsTheAPIs(t *testing.T) {
	t.Parallel()
	s := setUp(t).attach().report(shop).decide(&shopNames)
	v := s.open(desk, "#/journeys?window=24h")
	o := s.api("overview?window=24h")
	shown := v.figures("main")
	for figure, path := range map[string][]string{
		"journeys.count": {"journeys", "count"}, "journeys.errors": {"journeys", "errors"}, "journeys.incomplete": {"journeys", "incomplete"},
		"spans.received": {"spans", "received"}, "spans.stored": {"spans", "stored"}, "bytes.received": {"bytes", "received"}, "bytes.stored": {"bytes", "stored"},
		"failed.kept": {"failed", "kept"}, "failed.existing": {"failed", "existing"},
	} {
		require.InDelta(t, of(t, o, path...), shown[figure], 0, figure)
	}
	for _, part := range []string{"10.8" + thin + "k", "145" + thin + "k", "18" + thin + "k", "12.5" + thin + "%", "408 of 408", "100" + thin + "%", "up to date"} {
		require.Contains(t, v.text("#page"), part)
	}
	for i, row := range s.api("journeys?window=24h")["rows"].([]any) {
		r := row.(map[string]any)
		shown := v.figures(fmt.Sprintf("#journeys-table tbody tr:nth-child(%d)", i+1))
		for figure, path := range map[string][]string{
			"count": {"count"}, "errors": {"errors"}, "incomplete": {"incomplete"}, "kept": {"kept"}, "p50": {"p50_ms"}, "p95": {"p95_ms"}, "p99": {"p99_ms"},
			"stored": {"spans", "stored"}, "received": {"spans", "received"},
		} {
			require.InDelta(t, of(t, r, path...), shown[figure], 0, "%s of %v", figure, r["name"])
		}
	}
}

const thin = "\u202f"

func TestOneJourneyHasItsMapStepsStopsPathsRulesAndTraces(t *testing.T) {
	t.Parallel()
	v := setUp(t).attach().report(shop).open(desk, journeyLink("checkout"))
	edges := []string{
		"user -http-> gateway", "gateway -grpc-> checkout", "checkout -http-> payments.example", "checkout -db-> checkout",
		"checkout -amqp-> stock-queue", "stock-queue -amqp-> stock", "stock -amqp-> stock-retry", "stock-retry -amqp-> stock-queue",
	}
	require.ElementsMatch(t, edges, v.list("[...document.querySelectorAll('.map .label')].map((e) => e.dataset.edge)"))
	require.Equal(t, 8, v.number("document.querySelectorAll('.map .node').length"))
	require.Equal(t, len(edges), v.number("document.querySelectorAll('#edges tbody tr').length"), "the table has the whole map")
	for selector, words := range map[string][]string{
		"[data-kpi=kept]":        {"14.5" + thin + "%", "1" + thin + "043 journeys"},
		"[data-kpi=errors]":      {"3.5" + thin + "%", "250 journeys"},
		"[data-step=reserved]":   {"6" + thin + "970", "96.8" + thin + "%"},
		"[data-rule=checkout]":   {"793 of 6" + thin + "950", "12 thinned", "3 decided early", "1 brought back late", "sampled at 10%"},
		"#stops-table":           {"POST /v1/charges", "before step reserved", "card declined", "incomplete"},
		"#paths-table":           {"gateway → checkout → rabbitmq → stock", "98.0" + thin + "%"},
		"#latest-kept-table":     {keptID.String()[:8], "failed"},
		"#latest-failures-table": {"POST /v1/charges of stock", "kept"},
	} {
		for _, part := range words {
			require.Contains(t, v.text(selector), part, selector)
		}
	}
	require.Equal(t, jaegerURL+keptID.String(), browser.Eval[string](v.Tab, "document.querySelector('#latest-kept-table .store').href"))
	require.Contains(t, v.text(".map [data-edge='checkout -amqp-> stock-queue'] .time"), "waits")
}

func TestATraceIsLookedUp(t *testing.T) {
	t.Parallel()
	s := setUp(t).attach().report(shop).decide(&shopNames)
	v := s.open(desk, "#/journeys")
	v.Expect("404") // Chromium says so of the trace that nobody knows

	v.Click("#lookup")
	v.Type(jaegerURL + keptID.String() + "\r")
	v.Await("what was pasted is looked up", "document.querySelector('[data-status=kept]')")
	for _, part := range []string{"by rule failed", "100" + thin + "%", "card declined", "2 came late", "charged", "reserved missing", "gateway → stock"} {
		require.Contains(t, v.text("main"), part)
	}
	require.Equal(t, jaegerURL+keptID.String(), browser.Eval[string](v.Tab, "document.querySelector('.verdict .store').href"))
	require.Equal(t, "title", browser.Eval[string](v.Tab, "document.activeElement.id"), "what is new is read first")

	v.GoTo("#/trace?id=" + droppedID.String())
	v.Await("the dropped trace", "document.querySelector('[data-status=dropped]')")
	require.Contains(t, v.text("main"), "by rule the rest at a probability of 5.0"+thin+"%")
	require.Equal(t, 0, v.number("document.querySelectorAll('.store').length"), "what was dropped is not in Jaeger")

	v.GoTo("#/trace?id=00000000000000000000000000000001")
	for _, part := range []string{"Nothing is known of this trace", "this collector has not seen it, or has decided about it so long ago", "the latest 10000 decisions in detail"} {
		require.Contains(t, v.text("main"), part)
	}
	v.GoTo("#/trace?id=xyz")
	require.Contains(t, v.text("main"), "Not a trace id")
	v.Shot("unknown-trace")
}

func TestATraceThatWaitsSaysWhatForUntilItIsDecided(t *testing.T) {
	t.Parallel()
	s := setUp(t).attach().report(shop).decide(&shopNames)
	v := s.open(desk, "#/trace?id="+waitingID.String())
	v.Await("the trace that waits", "document.querySelector('[data-status=waiting]')")
	for _, part := range []string{"Waiting for 4", "It will be decided in 1", "if nothing more of it comes", "at the latest", "checkout so far", "6", "charged", "reserved missing", "gateway → stock"} {
		require.Contains(t, v.text("main"), part)
	}
	for what, words := range map[string]string{
		"root": "the root span", "parent": "2 spans that stock has named as parents", "step": "the step reserved",
		"delivery": "a message in the queue stock-queue, to be delivered", "answer": "answers to 3 calls or messages of stock",
	} {
		require.Contains(t, v.text("#waits [data-what="+what+"]"), words)
	}
	require.Equal(t, 0, v.number("document.querySelectorAll('.store').length"), "what waits is not in Jaeger")

	s.processor.mu.Lock()
	decided := s.processor.decisions[keptID]
	decided.TraceID = waitingID
	s.processor.decisions[waitingID] = decided
	s.processor.mu.Unlock()
	v.Await("its decision, without being asked again", "document.querySelector('[data-status=kept]') && document.querySelector('main').innerText.includes('by rule failed')")

	v.GoTo("#/trace?id=" + oldID.String())
	v.Await("the trace of long ago", "document.querySelector('[data-status=kept]')")
	for _, part := range []string{"decided so long ago that when, why and by which rule are forgotten", "kept at a probability of 10.0" + thin + "%", "it stands for 10 journeys", "checkout"} {
		require.Contains(t, v.text("main"), part)
	}
	require.Equal(t, jaegerURL+oldID.String(), browser.Eval[string](v.Tab, "document.querySelector('.verdict .store').href"))
}

func TestTheLiveStateIsTheProcessors(t *testing.T) {
	t.Parallel()
	v := setUp(t).attach().decide(&shopNames).open(desk, "#/live")
	for selector, words := range map[string][]string{
		"[data-kpi=waiting]":  {"274", "9" + thin + "120 spans", "1" + thin + "210 log records"},
		"[data-kpi=oldest]":   {"8.4" + thin + "s"},
		"[data-kpi=buffer]":   {"12" + thin + "MiB", "512" + thin + "MiB", "2.3" + thin + "%"},
		"[data-kpi=budget]":   {"13.2" + thin + "%", "500" + thin + "spans/s"},
		"[data-kpi=overload]": {"calm"},
		"#generations-0":      {"nursery", "251", "parked", "512" + thin + "KiB", "recall"},
		"main":                {"refusing", "1 batch offered again", "card declined", "the rest", "5.0" + thin + "%"},
	} {
		for _, part := range words {
			require.Contains(t, v.text(selector), part, selector)
		}
	}
}
