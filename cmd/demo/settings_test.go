package main

import (
	"net"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// environment is a fake of os.Getenv.
func environment(values map[string]string) func(string) string {
	return func(name string) string { return values[name] }
}

func mustRead(t *testing.T, values map[string]string) settings {
	t.Helper()
	s, err := readSettings(environment(values))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestDefaultsAreTheContractsPorts(t *testing.T) {
	s := mustRead(t, nil)
	for variable, want := range map[string]int{
		"DEMO_RABBITMQ_PORT": 5673, "DEMO_OTLP_GRPC_PORT": 4317, "DEMO_JAEGER_PORT": 16686, "DEMO_JAEGER_ALL_METRICS_PORT": 28888,
	} {
		if got := s.ports[variable]; got != want {
			t.Errorf("%s is %d, want %d", variable, got, want)
		}
	}
	if s.rate != defaultRate || s.duration != time.Minute {
		t.Errorf("rate %g for %s", s.rate, s.duration)
	}
	if !exists(s.path("builder-config.yaml")) {
		t.Errorf("the root is %s", s.root)
	}
}

func TestNoTwoPartsShareADefaultPort(t *testing.T) {
	seen := map[int]string{}
	for _, p := range portNames {
		if other, taken := seen[p.port]; taken {
			t.Errorf("%s and %s both have port %d", other, p.variable, p.port)
		}
		seen[p.port] = p.variable
	}
}

func TestSettingsAreReadFromTheEnvironment(t *testing.T) {
	s := mustRead(t, map[string]string{
		"DEMO_RATE": "7.5", "DEMO_DURATION": "90s", "DEMO_JAEGER_PORT": "1234", "OTLP_GRPC_ENDPOINT": "localhost:5317",
		"HEALTH_ENDPOINT": "localhost:1", "DEMO_HEALTH_PORT": "2",
	})
	if s.rate != 7.5 || s.duration != 90*time.Second || s.ports["DEMO_JAEGER_PORT"] != 1234 {
		t.Errorf("got %+v", s)
	}
	if s.ports["DEMO_OTLP_GRPC_PORT"] != 5317 || s.ports["DEMO_HEALTH_PORT"] != 2 {
		t.Error("the config's own variable counts, and the demo's wins over it")
	}
}

func TestEveryFaultIsReportedWithItsNameAndValue(t *testing.T) {
	_, err := readSettings(environment(map[string]string{
		"DEMO_RATE": "fast", "DEMO_DURATION": "-1s", "DEMO_GATEWAY_PORT": "70000", "METRICS_PORT": "x", "OTLP_HTTP_ENDPOINT": "nowhere",
	}))
	if err == nil {
		t.Fatal("want an error")
	}
	for _, want := range []string{
		`DEMO_RATE`, `"fast"`, `DEMO_DURATION`, `"-1s"`, `DEMO_GATEWAY_PORT`, `"70000"`, `METRICS_PORT`, `"x"`, `OTLP_HTTP_ENDPOINT`, `"nowhere"`,
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%s is not in:\n%v", want, err)
		}
	}
}

func TestABusyPortNamesItsUseAndSetting(t *testing.T) {
	s := mustRead(t, nil)
	if err := s.chooseFreePorts(); err != nil {
		t.Fatal(err)
	}
	if err := s.checkPorts(); err != nil {
		t.Fatalf("free ports: %v", err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	port := l.Addr().(*net.TCPAddr).Port
	s.ports["DEMO_GATEWAY_PORT"] = port
	err = s.checkPorts()
	if err == nil || !strings.Contains(err.Error(), "gateway") || !strings.Contains(err.Error(), "DEMO_GATEWAY_PORT") ||
		!strings.Contains(err.Error(), strconv.Itoa(port)) {
		t.Errorf("got %v", err)
	}
}

func TestABrokerOfOneselfNeedsNoPort(t *testing.T) {
	s := mustRead(t, nil)
	if err := s.chooseFreePorts(); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	s.ports["DEMO_RABBITMQ_PORT"] = l.Addr().(*net.TCPAddr).Port
	t.Setenv("AMQP_URL", "amqp://broker.example:5672")
	if err := s.checkPorts(); err != nil {
		t.Error(err)
	}
}

func TestVariablesForOtherWorkAreForgotten(t *testing.T) {
	for _, name := range []string{"OTEL_TRACES_SAMPLER", "RABBITMQ_HOST", "SHOPPER_SHARES"} {
		t.Setenv(name, "x")
	}
	if err := forgetForeign(); err != nil {
		t.Fatal(err)
	}
	if os.Getenv("OTEL_TRACES_SAMPLER") != "" || os.Getenv("RABBITMQ_HOST") != "" || os.Getenv("SHOPPER_SHARES") != "x" {
		t.Error("OTEL_ and RABBITMQ_ must be gone, the shopper's settings not")
	}
}
