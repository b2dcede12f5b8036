package page

import (
	"fmt"
	"strings"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"

	"github.com/otelcol-journey/otelcol-journey/internal/journey"
)

// Traces that the ledger knows.
var (
	keptID    = pcommon.TraceID{0x1f, 0x2e, 0x3d, 0x4c, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}
	waitingID = pcommon.TraceID{0xb7, 0xad, 0x6b, 0x71, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}
	oldID     = pcommon.TraceID{0x0a, 0xf7, 0x65, 0x19, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}
	droppedID = pcommon.TraceID{0xa0, 0xb1, 0xc2, 0xd3, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}
)

// names are where strangers' texts come in.
type names struct {
	journey, other, service, queue, operation, step, rule, reason string
}

var shopNames = names{
	journey: "checkout", other: "order history", service: "stock", queue: "stock-queue", operation: "POST /v1/charges",
	step: "reserved", rule: "failed", reason: `"POST /v1/charges" of "checkout" failed: card declined`,
}

// shop is two journeys, with everything that can be said of one.
func shop(a *journey.Aggregate) { shopNames.fill(a) }

func (n *names) fill(a *journey.Aggregate) {
	other := a.Tally(n.other)
	other.Counts = journey.Counts{OK: 3528, Errors: 72, Kept: 246, FailedKept: 72, Volume: journey.Volume{SpansReceived: 39_600, SpansStored: 2706, BytesReceived: 21_582_000, BytesStored: 1_474_770}}
	spread(&other.Durations, 8*time.Millisecond, 30)

	t := a.Tally(n.journey)
	t.Counts = journey.Counts{OK: 6864, Errors: 250, Incomplete: 86, Kept: 1043, FailedKept: 336, Volume: journey.Volume{SpansReceived: 105_120, SpansStored: 15_330, BytesReceived: 57_290_400, BytesStored: 8_401_000}}
	spread(&t.Durations, 20*time.Millisecond, 60)
	for i, rule := range []journey.RuleTally{{Name: n.rule, Matched: 250, Kept: 250, SpansStored: 4000, Reason: n.reason}, {Name: "checkout", Matched: 6950, Kept: 793, Thinned: 12, Early: 3, Late: 1, SpansStored: 11_330, Reason: "sampled at 10%"}} {
		at := t.Rule(rule.Name, i)
		rule.Index, rule.Name = i, at.Name
		*at = rule
	}
	t.Step(0, "charged").Reached = 7200
	t.Step(1, n.step).Reached = 6970
	t.Stop(journey.StopKey{Outcome: "error", Service: "checkout", Operation: n.operation, Missing: n.step}, 250, n.reason)
	t.Stop(journey.StopKey{Outcome: "incomplete", Missing: n.step}, 86, "step is missing")
	path := t.Path(1, func() []string { return []string{"gateway", "checkout", "rabbitmq", n.service} })
	path.Count, path.Errors, path.Kept = 7056, 106, 899
	path = t.Path(2, func() []string { return []string{"gateway", "checkout"} })
	path.Count, path.Errors, path.Kept = 144, 144, 144
	n.fillMap(t)
	failed := journey.Trace{
		ID: keptID, At: time.Now(), Outcome: "error", OutcomeReason: n.reason, Kept: true, Rule: n.rule, Reason: n.reason,
		Probability: 1, Duration: 12 * time.Millisecond, Spans: 9, Service: n.service, Operation: n.operation,
	}
	t.LatestFailed = journey.Latest(t.LatestFailed, failed)
	t.LatestKept = journey.Latest(t.LatestKept, failed)
}

func spread(s *journey.Sketch, middle time.Duration, n int) {
	for i := range n {
		s.Add(uint64(middle) * uint64(n+i) / uint64(n))
	}
}

// flow is one edge to be drawn.
type flow struct {
	from, to      journey.NodeKey
	protocol      journey.Protocol
	count, errors int64
	waits         time.Duration
}

func (n *names) fillMap(t *journey.Tally) {
	node := func(kind journey.NodeKind, name, system string) journey.NodeKey {
		return journey.NodeKey{Kind: kind, Name: name, System: system}
	}
	user, gateway, checkout := node(journey.User, "user", ""), node(journey.Service, "gateway", ""), node(journey.Service, "checkout", "")
	payments, queue := node(journey.External, "payments.example", ""), node(journey.Queue, n.queue, "rabbitmq")
	stock, retry, table := node(journey.Service, n.service, ""), node(journey.Queue, "stock-retry", "rabbitmq"), node(journey.Database, "checkout", "postgresql")
	_, first := t.Node(user)
	first.Count = 7200
	draw(t, 7200, []flow{
		{user, gateway, journey.HTTP, 7200, 144, 0},
		{gateway, checkout, journey.GRPC, 7200, 144, 0},
		{checkout, payments, journey.HTTP, 7200, 144, 0},
		{checkout, table, journey.DB, 14_400, 0, 0},
		{checkout, queue, journey.AMQP, 7027, 0, 4 * time.Millisecond},
		{queue, stock, journey.AMQP, 7125, 240, 0},
		{stock, retry, journey.AMQP, 155, 0, 2 * time.Second},
		{retry, queue, journey.AMQP, 155, 0, 0},
	})
}

func draw(t *journey.Tally, journeys int64, flows []flow) {
	t.Flow.Mapped = journeys
	for i, f := range flows {
		from, _ := t.Node(f.from)
		to, node := t.Node(f.to)
		if node == nil {
			continue
		}
		node.Count, node.Errors = node.Count+f.count, node.Errors+f.errors
		edge := t.Edge(journey.EdgeKey{From: from, To: to, Protocol: f.protocol})
		if edge == nil {
			continue
		}
		edge.Count, edge.Errors = f.count, f.errors
		if f.waits > 0 {
			spread(&edge.Waits, f.waits, 20)
		} else if f.protocol != journey.AMQP {
			spread(&edge.Durations, time.Duration(2+i)*time.Millisecond, 20)
			spread(&node.Durations, time.Duration(2+i)*time.Millisecond, 20)
		}
	}
}

// decide fills the ledger and the state, with a shadow's.
func (s *stage) decide(n *names) *stage {
	p := s.processor
	p.mu.Lock()
	defer p.mu.Unlock()
	summary := journey.Summary{
		Path: []string{"gateway", n.service}, RootService: "gateway", RootSpan: n.operation, Spans: 9, Bytes: 4905,
		Duration: 12 * time.Millisecond, StepsReached: []string{"charged"}, StepsMissing: []string{n.step},
	}
	p.decisions = map[pcommon.TraceID]journey.Decision{
		keptID:    {TraceID: keptID, At: time.Now(), Journey: n.journey, Outcome: "error", OutcomeReason: n.reason, Kept: true, Rule: n.rule, Reason: n.reason, Probability: 1, Summary: summary, LateSpans: 2},
		droppedID: {TraceID: droppedID, At: time.Now(), Journey: n.other, Outcome: "ok", Rule: "the rest", Reason: "sampled at 5%", Probability: 0.05, Summary: summary},
	}
	p.standings = n.standings(summary)
	p.shadow = n.shadow(20 * time.Minute)
	p.state = journey.State{
		Traces: 274, SpansPending: 9120, LogRecordsPending: 1210, OldestWait: 8400 * time.Millisecond, UsedBytes: 12 << 20, LimitBytes: 512 << 20, ResidentBytes: 16 << 20,
		Generations: []journey.Generation{{Name: "nursery", Traces: 251, Bytes: 3 << 20}, {Name: "parked", Traces: 23, Bytes: 512 << 10}, {Name: "recall", Traces: 1204, Bytes: 8 << 20}},
		Overload:    "calm", Budget: &journey.BudgetState{Unit: "spans", Limit: 500, Rate: 66.1, Rules: []journey.BudgetRule{{Name: n.rule, Probability: 1}, {Name: "the rest", Probability: 0.05}}},
		Downstream: []journey.Downstream{{Signal: "traces"}, {Signal: "logs", Queued: 4, Retrying: 1, Refusing: 3 * time.Second, Error: n.reason}},
	}
	return s
}

// standings are a trace that waits for all that one can wait for, and one that
// was kept long ago.
func (n *names) standings(summary journey.Summary) map[pcommon.TraceID]journey.Standing {
	now := time.Now()
	later := now.Add(15 * time.Minute)
	return map[pcommon.TraceID]journey.Standing{
		waitingID: {Waiting: &journey.Waiting{
			Since: now.Add(-41 * time.Second), LastSpanAt: now.Add(-40 * time.Second), Due: later, DecidedBy: now.Add(29 * time.Minute),
			Journey: n.journey, Outcome: "ok", Summary: summary, LogRecords: 6,
			WaitsFor: []journey.Lack{
				{What: journey.LackRoot, Count: 1, Until: now.Add(8 * time.Second)},
				{What: journey.LackParent, Name: n.service, Count: 2, Until: now.Add(8 * time.Second)},
				{What: journey.LackStep, Name: n.step, Count: 1, Until: now.Add(8 * time.Second)},
				{What: journey.LackDelivery, Name: n.queue, Count: 1, Until: later},
				{What: journey.LackAnswer, Name: n.service, Count: 3, Until: now.Add(8 * time.Second)},
			},
		}},
		oldID: {Remembered: &journey.Remembered{Kept: true, Journey: n.journey, Probability: 0.1}},
	}
}

// crowd is as much as there may be: 500 journeys, of which the first goes
// through 200 services with names of 200 characters among them.
func crowd(a *journey.Aggregate) {
	for i := range 499 {
		t := a.Tally(long("team %02d POST /api/things/%03d ", i%13, i)[:24+i%177])
		t.Counts = journey.Counts{OK: int64(5000 / (i + 1)), Errors: int64(i % 4), Kept: int64(i % 7), Volume: journey.Volume{SpansReceived: int64(90_000 / (i + 1)), SpansStored: int64(9000 / (i + 1))}}
		spread(&t.Durations, time.Duration(i+1)*time.Millisecond, 10)
	}
	t := a.Tally("crowd")
	t.Counts = journey.Counts{OK: 9000, Kept: 90}
	var flows []flow
	service := func(i int) journey.NodeKey {
		name := fmt.Sprintf("service-%03d", i)
		if i%9 == 0 {
			name = long("service %03d with a name of two hundred characters ", i)
		}
		return journey.NodeKey{Kind: journey.Service, Name: name}
	}
	for i := 1; i < 200; i++ {
		flows = append(flows, flow{service((i - 1) / 3), service(i), journey.Protocol(i%5 + 1), int64(9000 / i), int64(i % 3), 0})
		if i > 8 { // and a second way to it
			flows = append(flows, flow{service((i - 5) / 3), service(i), journey.HTTP, int64(900 / i), 0, 0})
		}
	}
	draw(t, 4500, flows)
	for i := range 50 {
		path := t.Path(uint64(i), func() []string { return []string{"service-001", long("service %03d ", i), "service-002"} })
		path.Count = int64(180 - i)
	}
}

func long(format string, args ...any) string {
	return strings.Repeat(fmt.Sprintf(format, args...), 40)[:200]
}
