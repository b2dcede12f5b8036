package journeyprocessor

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"github.com/otelcol-journey/otelcol-journey/internal/journey"
	"github.com/otelcol-journey/otelcol-journey/processor/journeyprocessor/internal/facts"
)

// mapOf maps spans of one trace.
func mapOf(spans ...span) *journey.Tally {
	f := factsOf(spans)
	a := journey.NewAggregate(usualLimits, nil)
	m := newMapper()
	m.add(a.Tally("one"), f.Hops())
	return a.Tally("one")
}

func factsOf(spans []span) *facts.Facts {
	f := &facts.Facts{}
	for _, rs := range batch(spans).ResourceSpans().All() {
		for _, ss := range rs.ScopeSpans().All() {
			r := facts.NewResource(serviceOf(rs.Resource()), ss.Scope().Name() == facts.BrokerScope, false)
			r.Report(math.MaxUint64)
			for _, s := range ss.Spans().All() {
				f.Add(&r, s)
			}
		}
	}
	return f
}

func TestMapsOfWhatIsNotTracedAllTheWay(t *testing.T) {
	rabbit := func(destination string) map[string]string {
		return map[string]string{"messaging.system": "rabbitmq", "messaging.destination.name": destination}
	}
	for name, test := range map[string]struct {
		spans []span
		edges map[string]int64
	}{
		"without the broker's spans": {[]span{
			{ID: 1, Service: "a", Kind: "producer", Took: 10, Attributes: rabbit("shop:done")},
			{ID: 2, Parent: 1, Service: "b", Kind: "consumer", At: 60, Attributes: rabbit("shop:done:queue")},
		}, map[string]int64{"service a -amqp-> queue queue": 1, "queue queue -amqp-> service b": 1}},
		"sent, and nobody knows where to": {[]span{
			{ID: 1, Service: "a", Kind: "producer", Attributes: rabbit("shop:done")},
		}, map[string]int64{"service a -amqp-> queue shop:done": 1}},
		"a tap does not say where it was routed": {[]span{
			{ID: 1, Service: "a", Kind: "producer"}, {ID: 2, Parent: 1, Delivered: "queue"},
		}, map[string]int64{"service a -amqp-> queue queue": 1}},
		"consumed from another process of the same service": {[]span{
			{ID: 1, Service: "a", Kind: "producer"}, {ID: 2, Parent: 1, Service: "a", Kind: "consumer", Attributes: rabbit("queue")},
		}, map[string]int64{"service a -amqp-> queue queue": 1, "queue queue -amqp-> service a": 1}},
		"a consumer is the root": {[]span{
			{ID: 2, Service: "b", Kind: "consumer", Attributes: rabbit("queue")},
		}, map[string]int64{"queue queue -amqp-> service b": 1}},
		"Kafka": {[]span{
			{ID: 1, Service: "a", Kind: "producer", Attributes: map[string]string{"messaging.system": "kafka", "messaging.destination.name": "a:topic"}},
			{ID: 2, Parent: 1, Service: "b", Kind: "consumer", Attributes: map[string]string{"messaging.system": "kafka", "messaging.destination.name": "a:topic"}},
		}, map[string]int64{"service a -messaging-> queue a:topic": 1, "queue a:topic -messaging-> service b": 1}},
		"somebody who sends no spans": {[]span{
			{ID: 1, Service: "a", Kind: "server"},
			{ID: 2, Parent: 1, Service: "a", Kind: "client", Attributes: map[string]string{"http.method": "GET", "server.address": "bank.example"}},
		}, map[string]int64{"user user -other-> service a": 1, "service a -http-> external bank.example": 1}},
		"an answered call is no call outside": {[]span{
			{ID: 1, Service: "a", Kind: "client", Attributes: map[string]string{"http.method": "GET", "server.address": "b.example"}},
			{ID: 2, Parent: 1, Service: "b", Kind: "server"},
		}, map[string]int64{"service a -http-> service b": 1}},
		"a missing parent": {[]span{{ID: 2, Parent: 1, Service: "b", Kind: "server"}}, map[string]int64{}},
		"its own parent":   {[]span{{ID: 2, Parent: 2, Service: "b", Kind: "server"}}, map[string]int64{}},
		"a circle": {[]span{
			{ID: 1, Parent: 2, Service: "a", Kind: "server"}, {ID: 2, Parent: 1, Service: "b", Kind: "server"},
		}, map[string]int64{"service a -other-> service b": 1, "service b -other-> service a": 1}},
		"dead-lettered": {[]span{
			{ID: 1, Service: "a", Kind: "producer"},
			{ID: 2, Parent: 1, Published: &[]string{"queue"}},
			{ID: 3, Parent: 1, Delivered: "dead", DeadFrom: []string{"queue"}, DeadOf: "rejected"},
		}, map[string]int64{"service a -amqp-> queue queue": 1, "queue queue -amqp-> queue dead": 1}},
	} {
		t.Run(name, func(t *testing.T) {
			slices.Reverse(test.spans)
			for range 2 {
				got := mapOf(test.spans...)
				require.Equal(t, test.edges, edges(got))
				slices.Reverse(test.spans)
			}
		})
	}
}

// FuzzMap makes hops of whatever bytes come: whatever they are, the map keeps
// its bounds, and what reaches a node has come along its edges or begun there.
func FuzzMap(f *testing.F) {
	f.Add([]byte("\x01\x00\x01\x02\x00\x02\x01\x02\x03\x01"))
	f.Add([]byte(strings.Repeat("\x07\x03\x05\xff\x11", 20)))
	f.Fuzz(func(t *testing.T, text []byte) {
		var hops []facts.Hop
		for chunk := range slices.Chunk(text, 5) {
			if len(chunk) < 5 || len(hops) == 200 {
				break
			}
			h := facts.Hop{
				ID: facts.SpanID(chunk[0] % 16), Parent: facts.SpanID(chunk[1] % 16), Service: fmt.Sprint("s", chunk[2]%4),
				Kind: ptrace.SpanKind(chunk[3] % 6), Protocol: journey.Protocol(chunk[3] / 6 % 6), Failed: chunk[3]&64 != 0,
				Broker: chunk[4]&1 != 0, Start: uint64(chunk[4]), End: uint64(chunk[0]), Waited: true,
			}
			if chunk[4]&2 != 0 {
				h.Peer = fmt.Sprint("p", chunk[2]%3)
			}
			if h.Broker {
				h.Delivery = chunk[4]&4 != 0
				h.Queues = []string{"p0", "p1"}[:chunk[4]>>3%3]
			}
			hops = append(hops, h)
		}
		limits := usualLimits
		limits.Services, limits.Edges = 6, 8
		a, m := journey.NewAggregate(limits, nil), newMapper()
		tally := a.Tally("one")
		m.add(tally, hops)
		require.LessOrEqual(t, len(tally.Flow.Nodes), limits.Services)
		require.LessOrEqual(t, len(tally.Flow.Edges), limits.Edges)
		for key, n := range tally.Flow.Nodes {
			require.LessOrEqual(t, n.Errors, n.Count)
			in := int64(0)
			for edge, e := range tally.Flow.Edges {
				if edge.To == key {
					in += e.Count
				}
				require.LessOrEqual(t, e.Errors, e.Count)
			}
			if key.Kind != journey.Queue {
				require.LessOrEqual(t, in, n.Count, "%v", key)
			}
		}
	})
}
