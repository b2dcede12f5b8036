package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/otelcol-journey/otelcol-journey/internal/stack"
)

// storedTrace is a trace as Jaeger returns it, by span id.
type storedTrace map[string]storedSpan

type storedSpan struct {
	service, name string
	tags          map[string]any // strings, bools and float64; lists are JSON texts
}

// jaegerTrace is the part of Jaeger's /api/traces answer that is looked at.
type jaegerTrace struct {
	Spans []struct {
		SpanID        string `json:"spanID"`
		OperationName string `json:"operationName"`
		ProcessID     string `json:"processID"`
		Tags          []struct {
			Key   string `json:"key"`
			Value any    `json:"value"`
		} `json:"tags"`
	} `json:"spans"`
	Processes map[string]struct {
		ServiceName string `json:"serviceName"`
	} `json:"processes"`
}

var errNotStored = errors.New("not in Jaeger")

// lookUp asks Jaeger once for a trace.
func (p *parts) lookUp(traceID string) (storedTrace, error) { return lookUpIn(p.jaeger, traceID) }

func lookUpIn(jaeger *stack.Jaeger, traceID string) (storedTrace, error) {
	res, err := get(jaeger.QueryURL + "/api/traces/" + traceID)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	if res.StatusCode == http.StatusNotFound {
		return nil, errNotStored
	}
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("look up trace %s: %s", traceID, res.Status)
	}
	var answer struct{ Data []jaegerTrace }
	if err := json.NewDecoder(res.Body).Decode(&answer); err != nil {
		return nil, fmt.Errorf("look up trace %s: %w", traceID, err)
	}
	stored := storedTrace{}
	for _, trace := range answer.Data {
		for _, span := range trace.Spans {
			tags := map[string]any{}
			for _, tag := range span.Tags {
				tags[tag.Key] = tag.Value
			}
			stored[span.SpanID] = storedSpan{trace.Processes[span.ProcessID].ServiceName, span.OperationName, tags}
		}
	}
	return stored, nil
}

// stored waits until the trace is in Jaeger with all spans that were sent and
// all that were decided about, and returns it.
func (p *parts) stored(t *testing.T, sent *trace) storedTrace {
	t.Helper()
	var got storedTrace
	eventually(t, fmt.Sprintf("trace %s (%s) is in Jaeger whole", sent.id, sent.spans[0].name), func() error {
		var err error
		if got, err = p.lookUp(sent.id.String()); err != nil {
			return err
		}
		return got.has(sent)
	})
	return got
}

func (s storedTrace) has(sent *trace) error {
	for _, span := range sent.spans {
		found, ok := s[span.id.String()]
		if !ok {
			return fmt.Errorf("%d spans, without %s %q", len(s), span.service, span.name)
		}
		if found.name != span.name || found.service != span.service {
			return fmt.Errorf("span %s is %s %q, want %s %q", span.id, found.service, found.name, span.service, span.name)
		}
	}
	// Jaeger writes the spans of a request one by one: those of the broker may
	// come last.
	for _, span := range s.tagged("journey.span_count") {
		if decided, ok := span.tags["journey.span_count"].(float64); !ok || len(s) < int(decided) {
			return fmt.Errorf("%d of %v spans", len(s), decided)
		}
	}
	return nil
}

// requireNotStored is for a trace that has been decided already.
func (p *parts) requireNotStored(t *testing.T, sent *trace) {
	t.Helper()
	_, err := p.lookUp(sent.id.String())
	require.ErrorIs(t, err, errNotStored)
}

// ofBroker returns the spans of that name that amqp_trace made.
func (s storedTrace) ofBroker(name string) []storedSpan {
	var found []storedSpan
	for _, span := range s {
		if span.service == "rabbitmq" && span.name == name {
			found = append(found, span)
		}
	}
	return found
}

// names lists all spans, for messages.
func (s storedTrace) names() []string {
	var all []string
	for _, span := range s {
		all = append(all, span.service+" "+span.name)
	}
	slices.Sort(all)
	return all
}

// sorted puts a JSON list of strings into order.
func sorted(list string) string {
	var texts []string
	if json.Unmarshal([]byte(list), &texts) != nil {
		return list
	}
	slices.Sort(texts)
	ordered, err := json.Marshal(texts)
	if err != nil {
		return list
	}
	return string(ordered)
}

// tagged returns the spans that have a tag.
func (s storedTrace) tagged(key string) []storedSpan {
	var found []storedSpan
	for _, span := range s {
		if _, ok := span.tags[key]; ok {
			found = append(found, span)
		}
	}
	return found
}

func (s storedTrace) services() []string {
	var all []string
	for _, span := range s {
		all = append(all, span.service)
	}
	return all
}
