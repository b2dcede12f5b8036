package stack

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// binary is a program of ../../bin, or the test skips.
func binary(t *testing.T, name string) string {
	t.Helper()
	path, err := filepath.Abs(filepath.Join("..", "..", "bin", name))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); err != nil {
		t.Skipf("bin/%s is not built", name)
	}
	return path
}

func TestJaegerComesBackOnTheSameDataAndPorts(t *testing.T) {
	spec := JaegerSpec{Name: "jaeger", Path: binary(t, "jaeger"), Dir: t.TempDir()}
	if err := choosePorts(&spec.QueryPort, &spec.OTLPPort, &spec.MetricsPort); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for round := range 2 {
		j, err := StartJaeger(ctx, spec)
		if err != nil {
			t.Fatal(err)
		}
		if !answers(ctx, j.QueryURL+"/api/services") || !answers(ctx, j.MetricsURL) || !portOpen(j.OTLPEndpoint) {
			t.Errorf("round %d: not ready after StartJaeger", round)
		}
		if err := j.Kill(); err != nil {
			t.Fatal(err)
		}
		for _, port := range []int{spec.QueryPort, spec.OTLPPort, spec.MetricsPort} {
			if !portFree(port) {
				t.Errorf("round %d: port %d is taken after Kill", round, port)
			}
		}
	}
	if _, err := os.Stat(filepath.Join(spec.Dir, "keys", "MANIFEST")); err != nil {
		t.Errorf("Badger's data is not in Dir: %v", err)
	}
}

func TestJaegerThatCannotStartSaysWhy(t *testing.T) {
	taken, err := net.Listen("tcp", "localhost:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	spec := JaegerSpec{Name: "second jaeger", Path: binary(t, "jaeger"), Dir: t.TempDir(), OTLPPort: taken.Addr().(*net.TCPAddr).Port}
	if _, err := StartJaeger(t.Context(), spec); err == nil ||
		!strings.Contains(err.Error(), "second jaeger") || !strings.Contains(err.Error(), "address already in use") {
		t.Errorf("got %v", err)
	}
}

const thinConfig = `
receivers: {otlp: {protocols: {http: {endpoint: "localhost:0"}}}}
exporters: {debug: }
extensions: {health_check: {endpoint: "${env:HEALTH_ENDPOINT}"}}
service:
  extensions: [health_check]
  telemetry: {metrics: {level: none}}
  pipelines: {traces: {receivers: [otlp], exporters: [debug]}}
`

func TestCollectorIsReadyWhenItsHealthCheckSaysSo(t *testing.T) {
	dir := t.TempDir()
	config := filepath.Join(dir, "config.yaml")
	if err := os.WriteFile(config, []byte(thinConfig), 0o644); err != nil {
		t.Fatal(err)
	}
	endpoint := net.JoinHostPort("localhost", strconv.Itoa(mustFreePort(t)))
	c, err := StartCollector(t.Context(), CollectorSpec{
		Path: binary(t, "otelcol-journey"), Configs: []string{config}, Dir: dir,
		Env: map[string]string{"HEALTH_ENDPOINT": endpoint}, LogFile: filepath.Join(dir, "collector.log"),
	})
	if err != nil {
		t.Fatal(err)
	}
	if !answers(t.Context(), "http://"+endpoint+"/") {
		t.Error("not healthy after StartCollector")
	}
	if err := c.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := c.Wait(t.Context()); err != nil {
		t.Errorf("it did not end cleanly: %v", err)
	}
}

func TestCollectorWithABadConfigSaysWhy(t *testing.T) {
	dir := t.TempDir()
	config := filepath.Join(dir, "config.yaml")
	if err := os.WriteFile(config, []byte("receivers: {no_such_receiver: }\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	_, err := StartCollector(t.Context(), CollectorSpec{
		Path: binary(t, "otelcol-journey"), Configs: []string{config}, LogFile: filepath.Join(dir, "collector.log"),
	})
	if err == nil || !strings.Contains(err.Error(), "no_such_receiver") {
		t.Errorf("got %v, want the collector's own words", err)
	}
}

func TestServiceIsReadyWhenItAnswers200(t *testing.T) {
	// A stand-in answers for the child: refusing at first, ready later.
	questions := 0
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if questions++; questions < 3 {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}), ReadHeaderTimeout: time.Second}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go server.Serve(l) //nolint:errcheck // ends with Close
	t.Cleanup(func() { server.Close() })
	p, err := StartService(t.Context(), ProcessSpec{Name: "sleep", Path: "sleep", Args: []string{"1000"}}, fmt.Sprintf("http://%s/readyz", l.Addr()))
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if questions < 3 {
		t.Errorf("it was ready after %d questions", questions)
	}
}
