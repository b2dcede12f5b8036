package env_test

import (
	"strings"
	"testing"
	"time"

	"github.com/otelcol-journey/otelcol-journey/demo-services/internal/env"
	"github.com/otelcol-journey/otelcol-journey/demo-services/variables"
)

func lookup(values map[string]string) func(string) (string, bool) {
	return func(name string) (string, bool) {
		value, ok := values[name]
		return value, ok
	}
}

func TestEveryDefaultIsOfItsKind(t *testing.T) {
	for _, program := range variables.Programs() {
		values, seen := map[string]string{}, map[string]bool{}
		for _, v := range variables.Of(program) {
			if seen[v.Name] {
				t.Errorf("%s lists %s twice", program, v.Name)
			}
			seen[v.Name] = true
			if v.Purpose == "" {
				t.Errorf("%s of %s has no purpose", v.Name, program)
			}
			values[v.Name] = v.Default
		}
		if _, err := env.Read(program, lookup(values)); err != nil {
			t.Errorf("defaults of %s: %v", program, err)
		}
	}
}

func TestAWrongValueNamesVariableAndValue(t *testing.T) {
	tests := []struct{ program, name, value string }{
		{"gateway", "HTTP_ADDRESS", "8080"},
		{"gateway", "HTTP_ADDRESS", "localhost:http"},
		{"gateway", "HTTP_ADDRESS", "localhost:70000"},
		{"gateway", "ORDERS_SERVICE_URL", "localhost:8081"},
		{"gateway", "OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4317"},
		{"gateway", "OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf"},
		{"gateway", "OTEL_TRACES_EXPORTER", "jaeger"},
		{"gateway", "OTEL_TRACES_SAMPLER_ARG", "1.5"},
		{"gateway", "OTEL_BSP_MAX_QUEUE_SIZE", "0"},
		{"gateway", "OTEL_BSP_SCHEDULE_DELAY", "1s"},
		{"checkout", "RABBITMQ_PORT", "0"},
		{"orders", "OTEL_METRICS_EXPORTER", "otlp"},
		{"shopper", "SHOPPER_RATE", "NaN"},
		{"shopper", "SHOPPER_RATE", "0"},
		{"shopper", "SHOPPER_DURATION", "60"},
		{"shopper", "SHOPPER_DURATION", "-1s"},
		{"shopper", "SHOPPER_SEED", "one"},
		{"shopper", "SHOPPER_SHARES", "checkout=101"},
		{"mailer", "LOG_LEVEL", "loud"},
	}
	for _, tt := range tests {
		_, err := env.Read(tt.program, lookup(map[string]string{tt.name: tt.value}))
		if err == nil || !strings.Contains(err.Error(), tt.name) || !strings.Contains(err.Error(), tt.value) {
			t.Errorf("%s=%q of %s: error %v, want one with name and value", tt.name, tt.value, tt.program, err)
		}
	}
}

func TestAllWrongValuesAreReportedAtOnce(t *testing.T) {
	_, err := env.Read("checkout", lookup(map[string]string{"GRPC_ADDRESS": "x", "LOG_LEVEL": "y"}))
	if err == nil || !strings.Contains(err.Error(), "GRPC_ADDRESS") || !strings.Contains(err.Error(), "LOG_LEVEL") {
		t.Errorf("error %v, want both variables in it", err)
	}
}

func TestASecretIsNotRepeated(t *testing.T) {
	_, err := env.Read("checkout", lookup(map[string]string{"RABBITMQ_URL": "http://user:hunter2@broker"}))
	if err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("error %v, want one without the value", err)
	}
}

func TestEmptyMeansNotSet(t *testing.T) {
	r, err := env.Read("gateway", lookup(map[string]string{"HTTP_ADDRESS": ""}))
	if err != nil {
		t.Fatal(err)
	}
	if r.IsSet("HTTP_ADDRESS") || r.Text("HTTP_ADDRESS") != "localhost:8080" {
		t.Errorf("HTTP_ADDRESS is %q and set %t, want the default", r.Text("HTTP_ADDRESS"), r.IsSet("HTTP_ADDRESS"))
	}
}

func TestValuesHaveTheirTypes(t *testing.T) {
	r, err := env.Read("shopper", lookup(map[string]string{"SHOPPER_RATE": "2.5", "SHOPPER_SEED": "-3", "SHOPPER_TAIL": "1m"}))
	if err != nil {
		t.Fatal(err)
	}
	if r.Float("SHOPPER_RATE") != 2.5 || r.Int("SHOPPER_SEED") != -3 || r.Duration("SHOPPER_TAIL") != time.Minute {
		t.Error("a value is not what was set")
	}
	g, err := env.Read("gateway", lookup(map[string]string{"OTEL_BSP_SCHEDULE_DELAY": "250", "OTEL_TRACES_EXPORTER": "console, otlp"}))
	if err != nil {
		t.Fatal(err)
	}
	if g.Duration("OTEL_BSP_SCHEDULE_DELAY") != 250*time.Millisecond {
		t.Error("milliseconds are not read as such")
	}
	if got := g.Words("OTEL_TRACES_EXPORTER"); len(got) != 2 || got[1] != "otlp" {
		t.Errorf("words %q", got)
	}
}

func TestAVariableOutsideTheTableCannotBeRead(t *testing.T) {
	r, err := env.Read("mailer", lookup(nil))
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if recover() == nil {
			t.Error("mailer could read HTTP_ADDRESS, which its table lacks")
		}
	}()
	r.Text("HTTP_ADDRESS")
}

func FuzzParseShares(f *testing.F) {
	f.Add("checkout=60,order_history=40")
	f.Add("a=1,a=2")
	f.Add("=,NaN=NaN")
	f.Fuzz(func(t *testing.T, text string) {
		shares, err := env.ParseShares(text)
		if err != nil {
			return
		}
		sum, seen := 0.0, map[string]bool{}
		for _, s := range shares {
			if s.Name == "" || seen[s.Name] || !(s.Percent >= 0) {
				t.Errorf("%q gives share %+v", text, s)
			}
			seen[s.Name] = true
			sum += s.Percent
		}
		if !(sum <= 100.001) {
			t.Errorf("%q adds up to %g", text, sum)
		}
	})
}
