package e2e

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"maps"
	"net"
	"strconv"
	"sync"
	"testing"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/pmetric/pmetricotlp"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"
	"google.golang.org/grpc"
	_ "google.golang.org/grpc/encoding/gzip" // exporters compress unless they are told not to
)

// arrivals counts what has come to a backend, by its bytes in protobuf.
type arrivals struct {
	mu     sync.Mutex // guards counts
	counts map[string]int
}

func (a *arrivals) add(proto []byte, err error) error {
	if err != nil {
		return err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.counts[string(proto)]++
	return nil
}

func (a *arrivals) all() map[string]int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return maps.Clone(a.counts)
}

// The backend's side of each signal.
type (
	spanSink struct {
		ptraceotlp.UnimplementedGRPCServer
		*arrivals
	}
	logSink struct {
		plogotlp.UnimplementedGRPCServer
		*arrivals
	}
	metricSink struct {
		pmetricotlp.UnimplementedGRPCServer
		*arrivals
	}
)

func (s *spanSink) Export(_ context.Context, request ptraceotlp.ExportRequest) (ptraceotlp.ExportResponse, error) {
	return ptraceotlp.NewExportResponse(), s.add(request.MarshalProto())
}

func (s *logSink) Export(_ context.Context, request plogotlp.ExportRequest) (plogotlp.ExportResponse, error) {
	return plogotlp.NewExportResponse(), s.add(request.MarshalProto())
}

func (s *metricSink) Export(_ context.Context, request pmetricotlp.ExportRequest) (pmetricotlp.ExportResponse, error) {
	return pmetricotlp.NewExportResponse(), s.add(request.MarshalProto())
}

// startSink starts a backend of all signals and returns its address.
func startSink(t *testing.T) (*arrivals, string) {
	t.Helper()
	listener, err := net.Listen("tcp", "localhost:0")
	require.NoError(t, err)
	server, a := grpc.NewServer(), &arrivals{counts: map[string]int{}}
	ptraceotlp.RegisterGRPCServer(server, &spanSink{arrivals: a})
	plogotlp.RegisterGRPCServer(server, &logSink{arrivals: a})
	pmetricotlp.RegisterGRPCServer(server, &metricSink{arrivals: a})
	var serving sync.WaitGroup
	serving.Go(func() { _ = server.Serve(listener) })
	t.Cleanup(func() { server.Stop(); serving.Wait() })
	return a, listener.Addr().String()
}

// payload is telemetry of one signal as somebody publishes it.
type payload struct {
	queue   string
	message amqp.Publishing
	proto   string // what it has to arrive as
}

// encodings are the ways in which publishers encode a payload, given it in both forms.
var encodings = map[string]func(proto, json []byte) (amqp.Publishing, error){
	"as contrib's exporter": func(proto, _ []byte) (amqp.Publishing, error) { return amqp.Publishing{Body: proto}, nil },
	"protobuf, said so": func(proto, _ []byte) (amqp.Publishing, error) {
		return amqp.Publishing{Body: proto, ContentType: "application/x-protobuf"}, nil
	},
	"JSON": func(_, json []byte) (amqp.Publishing, error) { return amqp.Publishing{Body: json}, nil },
	"JSON, said so, in gzip": func(_, json []byte) (amqp.Publishing, error) {
		var packed bytes.Buffer
		w := gzip.NewWriter(&packed)
		_, err := w.Write(json)
		if err == nil {
			err = w.Close()
		}
		return amqp.Publishing{Body: packed.Bytes(), ContentType: "application/json; charset=utf-8", ContentEncoding: "gzip"}, err
	},
}

// telemetry is one thing in both forms.
type telemetry struct{ proto, json []byte }

// payloads are one of each signal in each encoding, all different.
func payloads(number int) ([]payload, error) {
	var all []payload
	for encoding, encode := range encodings {
		name := fmt.Sprintf("%d %s", number, encoding)
		for queue, build := range map[string]func(string) (telemetry, error){
			"otlp_spans": spansNamed, "otlp_logs": logsNamed, "otlp_metrics": metricsNamed,
		} {
			made, err := build(name)
			if err != nil {
				return nil, err
			}
			message, err := encode(made.proto, made.json)
			if err != nil {
				return nil, err
			}
			message.DeliveryMode = amqp.Persistent
			all = append(all, payload{queue, message, string(made.proto)})
		}
	}
	return all, nil
}

func spansNamed(name string) (telemetry, error) {
	sent := failedOrderHistory()
	td := together(sent)
	span := td.ResourceSpans().At(0).ScopeSpans().At(0).Spans().At(0)
	span.TraceState().FromRaw("shop=" + strconv.Itoa(len(name)))
	everyKind(span.Attributes(), name)
	event := span.Events().AppendEmpty()
	event.SetName(name)
	event.SetTimestamp(span.StartTimestamp())
	link := span.Links().AppendEmpty()
	link.SetTraceID(sent.id)
	link.SetSpanID(sent.spans[0].id)
	return spansOf(td)
}

func spansOf(td ptrace.Traces) (telemetry, error) {
	request := ptraceotlp.NewExportRequestFromTraces(td)
	return inBoth(request.MarshalProto, func() ([]byte, error) { return (&ptrace.JSONMarshaler{}).MarshalTraces(td) })
}

func logsNamed(name string) (telemetry, error) {
	ld := plog.NewLogs()
	scope := ld.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty()
	scope.Scope().SetName("shop")
	record := scope.LogRecords().AppendEmpty()
	record.SetTimestamp(1_700_000_000_123_456_789)
	record.SetSeverityNumber(plog.SeverityNumberError)
	everyKind(record.Body().SetEmptyMap(), name)
	request := plogotlp.NewExportRequestFromLogs(ld)
	return inBoth(request.MarshalProto, func() ([]byte, error) { return (&plog.JSONMarshaler{}).MarshalLogs(ld) })
}

func metricsNamed(name string) (telemetry, error) {
	md := pmetric.NewMetrics()
	metrics := md.ResourceMetrics().AppendEmpty().ScopeMetrics().AppendEmpty().Metrics()
	counter := metrics.AppendEmpty()
	counter.SetName("orders")
	sum := counter.SetEmptySum()
	sum.SetIsMonotonic(true)
	sum.SetAggregationTemporality(pmetric.AggregationTemporalityDelta)
	point := sum.DataPoints().AppendEmpty()
	point.SetIntValue(1 << 60)
	everyKind(point.Attributes(), name)
	histogram := metrics.AppendEmpty()
	histogram.SetName("duration")
	bucketed := histogram.SetEmptyHistogram().DataPoints().AppendEmpty()
	bucketed.ExplicitBounds().FromRaw([]float64{0.5, 1})
	bucketed.BucketCounts().FromRaw([]uint64{1, 2, 3})
	bucketed.SetSum(0.1)
	request := pmetricotlp.NewExportRequestFromMetrics(md)
	return inBoth(request.MarshalProto, func() ([]byte, error) { return (&pmetric.JSONMarshaler{}).MarshalMetrics(md) })
}

// everyKind puts in a value of every kind.
func everyKind(m pcommon.Map, name string) {
	m.PutStr("name", name)
	m.PutInt("int", -1<<62)
	m.PutDouble("double", 0.1)
	m.PutBool("bool", true)
	m.PutEmptyBytes("bytes").FromRaw([]byte{0, 255})
	m.PutEmptySlice("list").AppendEmpty().SetStr("ü")
	m.PutEmptyMap("map").PutEmpty("nothing")
}

func inBoth(proto, json func() ([]byte, error)) (both telemetry, err error) {
	if both.proto, err = proto(); err != nil {
		return both, err
	}
	both.json, err = json()
	return both, err
}
