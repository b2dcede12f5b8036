package amqptracereceiver

import (
	"context"
	"encoding/json"
	"slices"
	"sync"

	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.uber.org/zap/zaptest/observer"
)

// payloadSink is the pipelines of all signals. What it refuses it spoils, as a pipeline may.
type payloadSink struct {
	mu     sync.Mutex // guards all
	traces []ptrace.Traces
	logs   int
	points int
	answer error
}

func (*payloadSink) Capabilities() consumer.Capabilities {
	return consumer.Capabilities{MutatesData: true}
}

func (s *payloadSink) ConsumeTraces(_ context.Context, td ptrace.Traces) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.answer != nil {
		td.ResourceSpans().RemoveIf(func(ptrace.ResourceSpans) bool { return true })
		return s.answer
	}
	s.traces = append(s.traces, td)
	return nil
}

func (s *payloadSink) ConsumeLogs(_ context.Context, ld plog.Logs) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.logs += ld.LogRecordCount()
	return s.answer
}

func (s *payloadSink) ConsumeMetrics(_ context.Context, md pmetric.Metrics) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.points += md.DataPointCount()
	return s.answer
}

func (s *payloadSink) setAnswer(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answer = err
}

func (s *payloadSink) all() []ptrace.Traces {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.traces)
}

// jsonLine is a log entry as an operator would find it.
func jsonLine(entry observer.LoggedEntry) (string, error) {
	line, err := json.Marshal(entry.ContextMap())
	return entry.Message + string(line), err
}
