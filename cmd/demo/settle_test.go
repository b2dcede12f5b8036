package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// metricsServer answers with a text and says on which port.
func metricsServer(t *testing.T, text string) int {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, text) }))
	t.Cleanup(server.Close)
	u, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	port, err := strconv.Atoi(u.Port())
	if err != nil {
		t.Fatal(err)
	}
	return port
}

func TestStateIsReadFromCollectorAndJaegers(t *testing.T) {
	s := mustRead(t, nil)
	s.ports["METRICS_PORT"] = metricsServer(t, "otelcol_processor_journey_spans_received 10\notelcol_processor_journey_spans_kept 4\notelcol_processor_journey_spans_pending 0")
	s.ports["DEMO_JAEGER_METRICS_PORT"] = metricsServer(t, `otelcol_exporter_sent_spans_total{exporter="jaeger_storage_exporter"} 4`)
	s.ports["DEMO_JAEGER_ALL_METRICS_PORT"] = metricsServer(t, `otelcol_exporter_sent_spans_total{exporter="jaeger_storage_exporter"} 9`)
	got, err := readState(t.Context(), &s)
	if err != nil {
		t.Fatal(err)
	}
	if want := (state{received: 10, kept: 4, storedAll: 9, storedKept: 4}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if got.settled() {
		t.Error("one span is still on its way to the Jaeger for all")
	}
	got.storedAll = 10
	if !got.settled() {
		t.Errorf("all is stored: %s", got)
	}
	for _, spoil := range []func(*state){
		func(s *state) { s.pending = 1 }, func(s *state) { s.logsPending = 1 }, func(s *state) { s.storedKept = 3 },
	} {
		open := got
		spoil(&open)
		if open.settled() {
			t.Errorf("%+v is not at rest", open)
		}
	}
}

func TestCalmIsWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		c := calm{read: func(context.Context) (state, error) {
			switch passed := time.Since(began); {
			case passed < 2*time.Second:
				return state{}, errors.New("does not answer yet")
			case passed < 5*time.Second:
				return state{received: 10, pending: 1}, nil
			case passed < 7*time.Second:
				return state{received: 10, storedAll: 10}, nil
			default:
				return state{received: 11, storedAll: 11}, nil // a late one
			}
		}}
		if err := c.await(t.Context()); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took != 7*time.Second+settleCalm {
			t.Errorf("calm after %s, want 3s after the last change at 7s", took)
		}
		if !strings.Contains(c.progress(), "11 of 11 stored") {
			t.Errorf("progress %q", c.progress())
		}
	})
}

func TestCalmThatNeverComesIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeoutCause(t.Context(), settleTimeout, errSettle)
		defer cancel()
		c := calm{read: func(context.Context) (state, error) { return state{received: 1, pending: 1}, nil }}
		if err := c.await(ctx); !errors.Is(err, errSettle) {
			t.Errorf("got %v", err)
		}
	})
}

func TestVolumeIsAskedForBothSides(t *testing.T) {
	s := mustRead(t, map[string]string{"DEMO_JAEGER_PORT": "1111", "DEMO_JAEGER_ALL_PORT": "2222"})
	line := commandLine("bin/volume", volumeArguments(&s, ".run/demo"))
	for _, want := range []string{"-kept http://localhost:1111 ", "-all http://localhost:2222 ", "-truth .run/demo/truth.jsonl"} {
		if !strings.Contains(line, want) {
			t.Errorf("%q is not in %s", want, line)
		}
	}
}

func TestCollectorIsToldWhereTheBrokerIs(t *testing.T) {
	s := mustRead(t, nil)
	env, err := collectorEnvironment(&s, "dir", "amqps://user:s%2Fcret@mq.example:5671/shop")
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"AMQP_ENDPOINT": "amqps://mq.example:5671", "AMQP_VHOST": "shop", "AMQP_USERNAME": "user", "AMQP_PASSWORD": "s/cret",
		"JAEGER_OTLP_ENDPOINT": "localhost:14317", "KEPT_LOGS_FILE": "dir/kept-logs.jsonl",
	} {
		if env[name] != want {
			t.Errorf("%s is %q, want %q", name, env[name], want)
		}
	}
	if _, err := collectorEnvironment(&s, "dir", "http://x"); err == nil {
		t.Error("want an error for what is no AMQP address")
	}
	if _, err := amqp.ParseURI(env["AMQP_ENDPOINT"]); err != nil {
		t.Error(err)
	}
}

func TestServicesFindEachOther(t *testing.T) {
	s := mustRead(t, map[string]string{"DEMO_USERS_PORT": "9"})
	for _, svc := range services {
		env := svc.environment(&s, "amqp://broker")
		if svc.rabbitmq != slices.Contains(env, "RABBITMQ_URL=amqp://broker") {
			t.Errorf("%s and the broker: %q", svc.name, env)
		}
		if svc.name == "orders" && !slices.Contains(env, "USERS_SERVICE_URL=http://localhost:9") {
			t.Errorf("orders does not find users: %q", env)
		}
		if !strings.HasPrefix(s.url(svc.health, "readyz"), "http://"+net.JoinHostPort("localhost", "")) {
			t.Errorf("%s is asked at %s", svc.name, s.url(svc.health, "readyz"))
		}
	}
}

func TestPageIsToldFromThePlaceholder(t *testing.T) {
	s := mustRead(t, nil)
	for text, want := range map[string]bool{"<html>Jaeger UI</html>": true, "This is not the Jaeger UI you are looking for!": false} {
		s.ports["DEMO_JAEGER_PORT"] = metricsServer(t, text)
		if got := hasPage(t.Context(), s.url("DEMO_JAEGER_PORT")); got != want {
			t.Errorf("%q: got %v", text, got)
		}
	}
}

func TestProgressOfOthersIsIndented(t *testing.T) {
	var out bytes.Buffer
	fmt.Fprintln(&terminal{out: &out}, "installing")
	if out.String() != "    installing\n" {
		t.Errorf("got %q", out.String())
	}
}

func TestTheLastLineComesWithoutItsClock(t *testing.T) {
	file := filepath.Join(t.TempDir(), "shopper.log")
	for text, want := range map[string]string{
		"  40s  800 answered\n  50s  999 answered\n": "999 answered",
		"  1m10s  1 answered\n":                      "1 answered",
		"all answered; waiting 8s for retries\n":     "all answered; waiting 8s for retries",
	} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := lastLine(file); got != want {
			t.Errorf("last line of %q is %q, want %q", text, got, want)
		}
	}
}
