package e2e

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/ptrace"
)

// hostileNames are what strangers may call their services and operations.
var hostileNames = []string{
	`<script>alert("journeys")</script>`, "\u202egnp.js", "🛒🧨", "a\x00\x1b[2Jb\r\nSet-Cookie: x=y", "{{constructor.constructor('alert(1)')()}}",
	strings.Repeat("ten kilobytes ", 750),
}

// What strangers send goes through the real binary, and comes out of the API
// as text that is fit to be shown.
func TestHostileNamesComeOutOfTheAPIHarmless(t *testing.T) {
	t.Parallel()
	p := newParts(t, world.broker.vhost(t))
	p.startCollector(t)
	p.connect(t)
	for _, name := range hostileNames {
		hostile := newTrace(leastRandomness)
		root := hostile.add(name, name, ptrace.SpanKindServer, nil)
		hostile.add(name+" too", name, ptrace.SpanKindServer, root).failed = true
		p.send(t, hostile)
	}
	var table apiTable
	eventually(t, "all journeys are decided and reported", func() error {
		if err := p.api("/api/v1/journeys", &table); err != nil {
			return err
		}
		return want("journeys", len(hostileNames), len(table.Rows))
	})
	for _, row := range table.Rows {
		require.LessOrEqual(t, utf8.RuneCountInString(row.Name), 200)
		require.NotContains(t, row.Name, "\x1b")
		require.NotContains(t, row.Name, "\u202e")
		one := p.journey(t, row.Name)
		require.Equal(t, 1, one.Row.Errors)
		require.Equal(t, 1, one.Flow.Mapped)
		require.Len(t, one.Failures, 1)
	}
	res, err := get("http://" + p.env["JOURNEYS_ENDPOINT"] + "/api/v1/journeys")
	require.NoError(t, err)
	defer res.Body.Close()
	require.Equal(t, http.StatusOK, res.StatusCode)
	require.Equal(t, "application/json", res.Header.Get("Content-Type"))
	text, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	require.NotContains(t, string(text), "<", "even if somebody takes it for HTML")
}

func TestTheLiveStateNamesWhatRuns(t *testing.T) {
	t.Parallel()
	p := newParts(t, world.broker.vhost(t))
	p.startCollector(t)
	p.awaitReceiver(t)
	p.connect(t)
	waits := startedCheckout() // its last message is never delivered
	sent := p.send(t, waits)
	var live struct {
		Processors []struct {
			ID           string
			Traces       int
			SpansPending int `json:"spans_pending"`
			Overload     struct{ Name string }
			Buffer       struct {
				Used  int `json:"used_bytes"`
				Limit int `json:"limit_bytes"`
			}
			Generations []struct {
				Name   string
				Traces int
			}
			Downstream []struct{ Signal, State string }
		}
		Components []struct{ ID, Kind, Status string }
	}
	eventually(t, "the trace waits", func() error {
		if err := p.api("/api/v1/live", &live); err != nil {
			return err
		}
		if len(live.Processors) != 1 || live.Processors[0].SpansPending != sent || live.Processors[0].Generations[0].Traces != 1 {
			return fmt.Errorf("%+v", live)
		}
		return nil
	})
	journey := live.Processors[0]
	require.Equal(t, "journey", journey.ID)
	require.Equal(t, 1, journey.Traces)
	require.Equal(t, "calm", journey.Overload.Name)
	require.Equal(t, 512<<20, journey.Buffer.Limit)
	require.Positive(t, journey.Buffer.Used)
	require.Len(t, journey.Downstream, 2)
	require.Equal(t, "ok", journey.Downstream[0].State)
	statuses := map[string]string{}
	for _, c := range live.Components {
		statuses[c.Kind+" "+c.ID] = c.Status
	}
	for _, what := range []string{"receiver otlp", "receiver amqp_trace", "exporter otlp_grpc/jaeger", "processor journey"} {
		require.Equal(t, "ok", statuses[what], "%s of %v", what, statuses)
	}
}
