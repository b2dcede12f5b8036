// Package apitest has a sample of every answer of the journeys API, as the demo
// shop gives it: 60 % checkouts, 30 % order histories, 8 % restocks and 2 %
// gift cards, 40 journeys a second for five minutes. What is shown of it is in
// testdata/api as JSON.
package apitest

import (
	"time"

	"github.com/otelcol-journey/otelcol-journey/extension/journeysextension/internal/api"
)

// Samples are the answers by the names of their files.
func Samples() map[string]any {
	return map[string]any{
		"overview":       Overview(),
		"overview_empty": EmptyOverview(),
		"journeys":       Table(),
		"journeys_empty": EmptyTable(),
		"journey":        Checkout(),
		"trace_kept":     KeptTrace(),
		"trace_dropped":  DroppedTrace(),

		"trace_waiting":   WaitingTrace(),
		"trace_forgotten": ForgottenTrace(),

		"live":  Live(),
		"error": api.Error{Status: 404, Message: "trace 00000000000000000000000000000001: nothing is known of it: this collector has not seen it, or has decided about it so long ago that it is forgotten; journey knows the latest 10000 decisions in detail, and of the latest 250000 kept and 2000000 dropped traces that they were"},
	}
}

var now = time.Date(2026, 11, 21, 16, 30, 10, 0, time.UTC)

func some(x float64) *float64 { return &x }

func head() api.Head {
	return api.Head{GeneratedAt: now, IntervalSeconds: 2, Window: api.Window{
		Name: "5m", From: now.Add(-5 * time.Minute), To: now, Seconds: 300,
	}}
}

func volume(received, stored int64) api.Volume {
	v := api.Volume{Received: received, Stored: stored, PerSecond: float64(received) / 300}
	if received > 0 {
		v.Share = some(float64(stored) / float64(received))
	}
	return v
}

func counted(ok, errors, incomplete, kept int64) api.Journeys {
	n := ok + errors + incomplete
	return api.Journeys{
		Count: n, PerMinute: float64(n) / 5, OK: ok, Errors: errors, ErrorShare: some(float64(errors) / float64(n)),
		Incomplete: incomplete, IncompleteShare: some(float64(incomplete) / float64(n)),
		Kept: kept, KeptShare: some(float64(kept) / float64(n)),
	}
}

func wave(level int64) []int64 {
	points := make([]int64, 60)
	for i := range points {
		points[i] = level + level*int64((i*37)%11-5)/40
	}
	points[59] = level / 5 // not over yet
	return points
}

func trend(level int64) api.Trend {
	return api.Trend{
		Start: now.Add(-295 * time.Second), StepSeconds: 5, Journeys: wave(level), Errors: wave(level / 30),
		Incomplete: wave(level / 90), Kept: wave(level / 8), SpansReceived: wave(level * 14), SpansStored: wave(level * 2),
		BytesReceived: wave(level * 7600), BytesStored: wave(level * 1100),
	}
}

// Overview is the shop's.
func Overview() api.Overview {
	return api.Overview{
		Head: head(), Journeys: counted(11592, 322, 86, 1385), Spans: volume(158730, 19842),
		Bytes: volume(86_502_850, 11_011_200), Failed: api.Failed{Existing: 408, Kept: 408, Share: some(1)},
		Money: api.Money{
			Currency: "USD", PricePerGB: 0.3, ReceivedPerMonth: some(224.22), StoredPerMonth: some(28.54), SavedPerMonth: some(195.68),
		},
		Trend: trend(200),
		Limits: []api.Limit{
			{Name: "journeys", Value: 500},
			{Name: "services", Value: 200},
			{Name: "edges", Value: 400},
			{Name: "paths", Value: 50},
			{Name: "name_length", Value: 200, Reached: 3},
			{Name: "memory", Value: 67108864},
			{Name: "mapped_spans", Value: 1000},
		},
		Processors: []string{"journey"}, HasLinks: true,
	}
}

// EmptyOverview is before the first journey.
func EmptyOverview() api.Overview {
	o := Overview()
	o.Journeys, o.Spans, o.Bytes, o.Failed = api.Journeys{}, api.Volume{}, api.Volume{}, api.Failed{}
	o.Money = api.Money{Currency: "USD", PricePerGB: 0.3} // a minute is not covered yet
	none := make([]int64, 60)
	o.Trend = api.Trend{
		Start: o.Trend.Start, StepSeconds: 5, Journeys: none, Errors: none, Incomplete: none, Kept: none,
		SpansReceived: none, SpansStored: none, BytesReceived: none, BytesStored: none,
	}
	return o
}

func row(name string, j api.Journeys, level int64, p50, p95, p99 float64, spans, bytes api.Volume, saved float64) api.Row {
	return api.Row{
		Name: name, Journeys: j, Trend: wave(level), P50MS: some(p50), P95MS: some(p95), P99MS: some(p99),
		Spans: spans, Bytes: bytes, SavedPerMonth: some(saved),
	}
}

func checkoutRow() api.Row {
	return row("checkout", counted(6864, 250, 86, 1043), 120, 31.5, 64.5, 4160,
		volume(105_120, 15_330), volume(57_290_400, 8_401_000), 126.71)
}

// Table is the shop's.
func Table() api.Table {
	return api.Table{Head: head(), TrendStart: now.Add(-295 * time.Second), TrendStepSeconds: 5, Rows: []api.Row{
		checkoutRow(),
		row("order history", counted(3528, 72, 0, 246), 60, 8.8, 22.5, 61,
			volume(39_600, 2_706), volume(21_582_000, 1_474_770), 52.12),
		row("restock", counted(960, 0, 0, 50), 16, 3008, 3024, 3072, volume(8_640, 450), volume(4_708_800, 245_250), 11.57),
		row("gift card", counted(240, 0, 0, 46), 4, 10.3, 19.5, 27.5,
			volume(5_370, 1_356), volume(2_921_650, 890_180), 5.28),
	}}
}

// EmptyTable is before the first journey.
func EmptyTable() api.Table {
	t := Table()
	t.Rows = []api.Row{}
	return t
}

// Checkout is all about the checkout.
func Checkout() api.Journey {
	return api.Journey{
		Head: head(), Row: checkoutRow(), Trend: trend(120), Flow: checkoutFlow(),
		Steps: []api.Step{
			{Name: "charged", Reached: 7200, ReachedShare: some(1)},
			{Name: "reserved", Reached: 6970, ReachedShare: some(0.9681)},
		},
		Stops: []api.Stop{
			{Outcome: "error", Service: "checkout", Operation: "POST /v1/charges", Missing: "reserved", Reason: `"POST /v1/charges" of "checkout" failed: card declined`, Count: 144, Share: some(0.02)},
			{Outcome: "error", Service: "stock", Operation: "stock-queue process", Reason: `"stock-queue process" of "stock" failed: lock timeout`, Count: 106, Share: some(0.0147)},
			{Outcome: "incomplete", Missing: "reserved", Reason: `step "reserved" is missing`, Count: 57, Share: some(0.0079)},
			{Outcome: "incomplete", Missing: "reserved", Reason: `a message was unroutable: "publish shop"`, Count: 29, Share: some(0.004)},
		},
		Paths: []api.Path{
			{Services: []string{"gateway", "checkout", "rabbitmq", "stock"}, Count: 6970, Share: some(0.9681), Errors: 106, Kept: 813, P95MS: some(58.5)},
			{Services: []string{"gateway", "checkout"}, Count: 144, Share: some(0.02), Errors: 144, Kept: 144, P95MS: some(21.5)},
			{Services: []string{"gateway", "checkout", "rabbitmq"}, Count: 86, Share: some(0.0119), Kept: 86, P95MS: some(24.5)},
		},
		Rules: []api.Rule{
			{Name: "failed", Matched: 250, Kept: 250, SpansStored: 4_000, Reason: `"POST /v1/charges" of "checkout" failed: card declined`},
			{Name: "incomplete", Matched: 86, Kept: 86, SpansStored: 950, Reason: `step "reserved" is missing`},
			{Name: "slow", Matched: 72, Kept: 72, SpansStored: 1_080, Reason: "the root span took 1.362s, more than 1s"},
			{Name: "checkout", Matched: 6792, Kept: 635, SpansStored: 9_300, Reason: "sampled at 10%"},
		},
		Kept: []api.Trace{
			{TraceID: "6459461afb374f9e72c8f1d949261788", At: now.Add(-2 * time.Second), Outcome: "ok", Kept: true, Rule: "checkout", Reason: "sampled at 10%", Probability: some(0.1), DurationMS: 29.8, Spans: 15, Link: "http://localhost:16686/trace/6459461afb374f9e72c8f1d949261788"},
			failedTrace(),
		},
		Failures: []api.Trace{failedTrace()}, Omitted: []string{},
	}
}

func failedTrace() api.Trace {
	return api.Trace{
		TraceID: "1f2e3d4c5b6a79880f1e2d3c4b5a6978", At: now.Add(-5 * time.Second), Outcome: "error",
		OutcomeReason: `"POST /v1/charges" of "checkout" failed: card declined`, Kept: true, Rule: "failed",
		Reason: `"POST /v1/charges" of "checkout" failed: card declined`, Probability: some(1), DurationMS: 12.4, Spans: 9,
		Service: "checkout", Operation: "POST /v1/charges", Link: "http://localhost:16686/trace/1f2e3d4c5b6a79880f1e2d3c4b5a6978",
	}
}

func node(id, kind, name, system string, count, errors int64, p50, p95 *float64) api.FlowNode {
	return api.FlowNode{
		ID: id, Kind: kind, Name: name, System: system, Count: count, PerMinute: float64(count) / 5,
		Errors: errors, ErrorShare: some(float64(errors) / float64(count)), P50MS: p50, P95MS: p95,
	}
}

func edge(from, to, protocol string, count, errors int64, p50, p95 *float64) api.FlowEdge {
	return api.FlowEdge{
		From: from, To: to, Protocol: protocol, Count: count, PerMinute: float64(count) / 5,
		Errors: errors, ErrorShare: some(float64(errors) / float64(count)), P50MS: p50, P95MS: p95,
	}
}

func queued(e api.FlowEdge, p50, p95 float64) api.FlowEdge {
	e.WaitP50MS, e.WaitP95MS = some(p50), some(p95)
	return e
}

func checkoutFlow() api.Flow {
	return api.Flow{
		Of: 7200, Mapped: 7200,
		Nodes: []api.FlowNode{
			node("n0", "user", "user", "", 7200, 0, nil, nil),
			node("n1", "service", "gateway", "", 7200, 144, some(18.5), some(44.5)),
			node("n2", "service", "checkout", "", 7200, 144, some(15.3), some(40.5)),
			node("n3", "external", "payments.example", "", 7200, 144, some(5.2), some(9.9)),
			node("n4", "queue", "stock-queue", "rabbitmq", 7182, 0, nil, nil),
			node("n5", "queue", "mailer-queue", "rabbitmq", 7027, 0, nil, nil),
			node("n6", "service", "stock", "", 7125, 240, some(6.4), some(13.9)),
			node("n7", "database", "inventory", "postgresql", 14_010, 0, some(1.6), some(3.1)),
			node("n8", "queue", "stock-retry", "rabbitmq", 155, 0, nil, nil),
		},
		Edges: []api.FlowEdge{
			edge("n0", "n1", "http", 7200, 144, some(18.5), some(44.5)),
			edge("n1", "n2", "grpc", 7200, 144, some(15.3), some(40.5)),
			edge("n2", "n3", "http", 7200, 144, some(5.2), some(9.9)),
			queued(edge("n2", "n4", "amqp", 7027, 0, nil, nil), 0.9, 4.2),
			queued(edge("n2", "n5", "amqp", 7027, 0, nil, nil), 1.1, 5.5),
			edge("n4", "n6", "amqp", 7125, 240, some(6.4), some(13.9)),
			edge("n6", "n7", "db", 14_010, 0, some(1.6), some(3.1)),
			queued(edge("n6", "n8", "amqp", 155, 0, nil, nil), 2000, 2006),
			edge("n8", "n4", "amqp", 155, 0, nil, nil),
		},
	}
}

// KeptTrace is the look-up of a trace that was kept.
func KeptTrace() api.Lookup {
	return api.Lookup{
		TraceID: "1f2e3d4c5b6a79880f1e2d3c4b5a6978", Status: "kept", Processor: "journey", At: now.Add(-5 * time.Second),
		Journey: "checkout", Outcome: "error", OutcomeReason: `"POST /v1/charges" of "checkout" failed: card declined`,
		Rule: "failed", Reason: `"POST /v1/charges" of "checkout" failed: card declined`, Probability: some(1),
		Complete: false, Path: []string{"gateway", "checkout"}, RootService: "gateway", RootSpan: "POST /api/checkout",
		Spans: 9, Bytes: 4905, DurationMS: 12.4, StepsReached: []string{"charged"}, StepsMissing: []string{"reserved"},
		Link: "http://localhost:16686/trace/1f2e3d4c5b6a79880f1e2d3c4b5a6978",
	}
}

// DroppedTrace is the look-up of a trace that was dropped.
func DroppedTrace() api.Lookup {
	return api.Lookup{
		TraceID: "a0b1c2d3e4f5061728394a5b6c7d8e9f", Status: "dropped", Processor: "journey", At: now.Add(-9 * time.Second),
		Journey: "order history", Outcome: "ok", Rule: "the rest", Reason: "sampled at 5%", Probability: some(0.05),
		Complete: true, Path: []string{"gateway", "orders", "users"}, RootService: "gateway", RootSpan: "GET /api/orders",
		Spans: 11, Bytes: 5995, DurationMS: 9.1, StepsReached: []string{}, StepsMissing: []string{},
	}
}

// WaitingTrace is the look-up of a trace whose message to the mailer has not
// been taken yet.
func WaitingTrace() api.Waiting {
	return api.Waiting{
		TraceID: "b7ad6b7169203331a0b1c2d3e4f50617", Status: "waiting", Processor: "journey",
		Since: now.Add(-41 * time.Second), WaitedSeconds: 41, LastSpanAt: now.Add(-40 * time.Second),
		Due: now.Add(860 * time.Second), DecidedBy: now.Add(1759 * time.Second),
		WaitsFor: []api.WaitsFor{{What: "delivery", Name: "mailer-queue", Count: 1, Until: now.Add(860 * time.Second)}},
		Journey:  "checkout", Outcome: "ok", Path: []string{"gateway", "checkout", "rabbitmq", "stock"},
		RootService: "gateway", RootSpan: "POST /api/checkout", Spans: 14, LogRecords: 6, Bytes: 7630, DurationMS: 28.9,
		StepsReached: []string{"charged", "reserved"}, StepsMissing: []string{},
	}
}

// ForgottenTrace is the look-up of a trace that was kept long ago.
func ForgottenTrace() api.Remembered {
	return api.Remembered{
		TraceID: "0af7651916cd43dd8448eb211c80319c", Status: "kept", DetailsForgotten: true, Processor: "journey",
		Journey: "checkout", Probability: some(0.1), Link: "http://localhost:16686/trace/0af7651916cd43dd8448eb211c80319c",
	}
}

// Live is the state of a collector that does well.
func Live() api.Live {
	since := now.Add(-20 * time.Minute)
	return api.Live{
		GeneratedAt: now, IntervalSeconds: 2,
		Processors: []api.Processor{{
			ID: "journey", Traces: 274, SpansPending: 9120, LogRecordsPending: 1210, OldestWaitSeconds: 8.4,
			Buffer: api.Buffer{UsedBytes: 12_582_912, LimitBytes: 536_870_912, ResidentBytes: 16_777_216, Share: 0.0234},
			Generations: []api.Generation{
				{Name: "nursery", Traces: 251, Bytes: 3_670_016},
				{Name: "parked", Traces: 23, Bytes: 524_288},
				{Name: "recall", Traces: 1204, Bytes: 8_388_608},
			},
			Overload: api.Overload{Level: 0, Name: "calm"},
			Budget: &api.Budget{
				Unit: "spans", Limit: 500, Rate: 66.1, Share: 0.1322,
				Rules: []api.BudgetRule{{Name: "failed", Probability: 1}, {Name: "checkout", Probability: 0.1}, {Name: "the rest", Probability: 0.05}},
			},
			Downstream: []api.Downstream{{Signal: "traces", State: "ok"}, {Signal: "logs", State: "ok"}},
			Shadow:     shadow(),
		}},
		Components: []api.Component{
			{ID: "otlp", Kind: "receiver", Pipelines: []string{"logs", "traces"}, Status: "ok", Since: &since},
			{ID: "amqp_trace", Kind: "receiver", Pipelines: []string{"traces"}, Status: "recoverable_error", Error: "connect to amqp://localhost:5672: connection refused", Since: &since},
			{ID: "otlp_grpc/jaeger", Kind: "exporter", Pipelines: []string{"traces"}, Status: "ok", Since: &since},
		},
	}
}
