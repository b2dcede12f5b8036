package load

import (
	"encoding/binary"
	"fmt"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"
)

// Defaults of the SDKs' batch span processor (OpenTelemetry specification,
// OTEL_BSP_MAX_EXPORT_BATCH_SIZE and OTEL_BSP_SCHEDULE_DELAY).
const (
	maxBatch      = 512
	scheduleDelay = 5 * time.Second
)

// batches are the span processors of all instances.
type batches struct {
	load      *Load
	instances [int(services) * instancesPerService]instance
}

type instance struct {
	waiting []*span
	flushed time.Duration // when it last sent
}

func newBatches(l *Load) *batches {
	b := &batches{load: l}
	// Instances were not all started at the same time.
	for i := range b.instances {
		b.instances[i].flushed = -scheduleDelay * time.Duration(i) / time.Duration(len(b.instances))
	}
	return b
}

// add gives spans that ended to their instances; by now, all of them have.
func (b *batches) add(ended []*span, now time.Duration) error {
	byEnd(ended)
	for _, s := range ended {
		n := &b.instances[s.instance]
		n.waiting = append(n.waiting, s)
		if len(n.waiting) == maxBatch {
			if err := b.send(n, s.end); err != nil {
				return err
			}
		}
	}
	for i := range b.instances {
		if n := &b.instances[i]; now-n.flushed >= scheduleDelay {
			if err := b.send(n, now); err != nil {
				return err
			}
		}
	}
	return nil
}

// flush sends what is left, as services do when they stop.
func (b *batches) flush(now time.Duration) error {
	for i := range b.instances {
		if err := b.send(&b.instances[i], now); err != nil {
			return err
		}
	}
	return nil
}

func (b *batches) send(n *instance, now time.Duration) error {
	n.flushed = now
	if len(n.waiting) == 0 {
		return nil
	}
	bytes, attributes, err := encode(n.waiting)
	if err != nil {
		return err
	}
	l := b.load
	for _, s := range n.waiting {
		if kept := l.MustKeep[s.trace]; kept != nil {
			kept.sent(s, len(l.Requests), now)
		}
	}
	l.Requests = append(l.Requests, Request{
		At: now, Spans: len(n.waiting), Bytes: bytes, Entry: n.waiting[0].step.service == gateway,
	})
	l.Spans += len(n.waiting)
	l.Bytes += int64(len(bytes))
	l.Attributes += int64(attributes)
	n.waiting = n.waiting[:0]
	return nil
}

// sent notes that request has s.
func (k *Kept) sent(s *span, request int, at time.Duration) {
	if n := len(k.Parts); n == 0 || k.Parts[n-1].Request != request {
		k.Parts = append(k.Parts, Part{Request: request})
	}
	part := &k.Parts[len(k.Parts)-1]
	part.Add(Mark{Spans: 1, IDs: s.id})
	part.Failed = part.Failed || s.failed
	k.Due = max(k.Due, at)
}

// encode makes one request of spans of one instance: one resource, and one
// scope for each instrumentation library in the order of their first spans.
func encode(spans []*span) (request []byte, attributes int, err error) {
	td := ptrace.NewTraces()
	rs := td.ResourceSpans().AppendEmpty()
	rs.SetSchemaUrl("https://opentelemetry.io/schemas/1.37.0")
	resource(rs.Resource().Attributes(), spans[0])
	byScope := make(map[string]ptrace.SpanSlice)
	for _, s := range spans {
		name := scopes[s.step.shape]
		list, ok := byScope[name]
		if !ok {
			ss := rs.ScopeSpans().AppendEmpty()
			ss.Scope().SetName(name)
			ss.Scope().SetVersion("0.68.0")
			list = ss.Spans()
			list.EnsureCapacity(len(spans))
			byScope[name] = list
		}
		out := list.AppendEmpty()
		s.write(out)
		attributes += out.Attributes().Len()
	}
	request, err = ptraceotlp.NewExportRequestFromTraces(td).MarshalProto()
	if err != nil {
		return nil, 0, fmt.Errorf("encode a batch of %d spans: %w", len(spans), err)
	}
	return request, attributes, nil
}

func resource(m pcommon.Map, s *span) {
	name := serviceNames[s.step.service]
	pod := fmt.Sprintf("%s-7d9f6b5c8-%05x", name, s.instance*7919+4099)
	m.PutStr("service.name", name)
	m.PutStr("service.namespace", "shop")
	m.PutStr("service.version", "2.14.3")
	m.PutStr("service.instance.id", fmt.Sprintf("%08x-5c1e-4b7a-9d3f-2a6c8e0b4d1f", s.instance*104_729))
	m.PutStr("deployment.environment.name", "production")
	m.PutStr("host.name", fmt.Sprintf("node-%02d", s.instance%5))
	m.PutStr("k8s.namespace.name", "shop")
	m.PutStr("k8s.deployment.name", name)
	m.PutStr("k8s.pod.name", pod)
	m.PutStr("telemetry.sdk.language", "go")
	m.PutStr("telemetry.sdk.name", "opentelemetry")
	m.PutStr("telemetry.sdk.version", "1.44.0")
	m.PutStr("process.runtime.version", "go1.26.0")
}

// write fills out. The flags say that the trace id is random and whether the
// parent is in another process, as SDKs set them.
func (s *span) write(out ptrace.Span) {
	const sampledAndRandom, hasRemote, isRemote = 0x3, 0x100, 0x200
	out.SetTraceID(s.trace)
	out.SetSpanID(spanID(s.id))
	out.SetParentSpanID(spanID(s.parent))
	flags := uint32(sampledAndRandom | hasRemote)
	if kind := kinds[s.step.shape]; s.parent != 0 && (kind == ptrace.SpanKindServer || kind == ptrace.SpanKindConsumer) {
		flags |= isRemote
	}
	out.SetFlags(flags)
	out.SetName(s.step.name)
	out.SetKind(kinds[s.step.shape])
	out.SetStartTimestamp(pcommon.NewTimestampFromTime(opened.Add(s.start)))
	out.SetEndTimestamp(pcommon.NewTimestampFromTime(opened.Add(s.end)))
	s.attributes(out.Attributes())
	if !s.failed {
		return
	}
	out.Status().SetCode(ptrace.StatusCodeError)
	out.Status().SetMessage("connection reset by peer")
	event := out.Events().AppendEmpty()
	event.SetName("exception")
	event.SetTimestamp(out.EndTimestamp())
	event.Attributes().PutStr("exception.type", "*net.OpError")
	event.Attributes().PutStr("exception.message", "read tcp 10.42.3.17:5432: connection reset by peer")
}

func spanID(id uint64) (out pcommon.SpanID) {
	binary.BigEndian.PutUint64(out[:], id)
	return out
}
