package facts

import (
	"fmt"
	"testing"

	"go.opentelemetry.io/collector/pdata/ptrace"
)

// shopTrace is a trace as a shop's services send it: seven fragments of two or
// three spans, a server's, a client's and sometimes one within.
func shopTrace() [][]ptrace.Span {
	var fragments [][]ptrace.Span
	id := byte(1)
	for service := range 7 {
		server := newSpan(id, id-1)
		server.SetKind(ptrace.SpanKindServer)
		client := newSpan(id+1, id)
		client.SetKind(ptrace.SpanKindClient)
		fragment := []ptrace.Span{server, client}
		if service%3 == 0 {
			fragment = append(fragment, newSpan(id+2, id))
		}
		fragments = append(fragments, fragment)
		id += byte(len(fragment))
	}
	return fragments
}

// BenchmarkFacts asks what a span costs from its arrival until it has joined
// the facts of its trace, in time and in memory that stays.
func BenchmarkFacts(b *testing.B) {
	for _, shapes := range []bool{false, true} {
		b.Run(fmt.Sprint("shapes=", shapes), func(b *testing.B) {
			fragments := shopTrace()
			var resources []Resource
			spans := 0
			for i, f := range fragments {
				resources = append(resources, NewResource(fmt.Sprint("service-", i), false, shapes))
				spans += len(f)
			}
			chunk := make([]Facts, len(fragments))
			b.ReportAllocs()
			for b.Loop() {
				clear(chunk) // fragments come from memory that is made for many
				trace := &Facts{}
				for i, fragment := range fragments {
					for _, span := range fragment {
						chunk[i].Add(&resources[i], span)
					}
					trace.Merge(&chunk[i])
				}
				if trace.Spans != spans || trace.MissingParents() != 0 {
					b.Fatal("facts are wrong")
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*spans), "ns/span")
		})
	}
}

// BenchmarkFragment asks what a fragment of one span takes of its own.
func BenchmarkFragment(b *testing.B) {
	span, r := newSpan(2, 1), NewResource("gateway", false, false)
	f := &Facts{}
	b.ReportAllocs()
	for b.Loop() {
		*f = Facts{}
		f.Add(&r, span)
	}
	if f.MissingParents() != 1 {
		b.Fatal("facts are wrong")
	}
}
