package app

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/otelcol-journey/otelcol-journey/demo-services/internal/env"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func reader(t *testing.T, program string, values map[string]string) *env.Reader {
	t.Helper()
	r, err := env.Read(program, func(name string) (string, bool) {
		value, ok := values[name]
		return value, ok
	})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// recorder is a part that writes down what happens to it.
type recorder struct {
	name  string
	log   *[]string
	start error
	fails error
}

func (p recorder) Start(fail func(error)) error {
	*p.log = append(*p.log, "start "+p.name)
	if p.fails != nil {
		fail(p.fails)
	}
	return p.start
}

func (p recorder) Stop(context.Context) error {
	*p.log = append(*p.log, "stop "+p.name)
	return nil
}

func run(t *testing.T, parts ...Part) error {
	t.Helper()
	return Run(t.Context(), reader(t, "mailer", nil), func(*env.Reader) ([]Part, error) { return parts, nil })
}

func TestPartsStopInReverseOrder(t *testing.T) {
	var log []string
	broken := errors.New("connection gone for good")
	err := run(t, recorder{name: "a", log: &log}, recorder{name: "b", log: &log, fails: broken})
	if !errors.Is(err, broken) {
		t.Errorf("error %v, want the part's own", err)
	}
	if want := []string{"start a", "start b", "stop b", "stop a"}; !slices.Equal(log, want) {
		t.Errorf("order %q, want %q", log, want)
	}
}

func TestAFailedStartStopsWhatRan(t *testing.T) {
	var log []string
	broken := errors.New("port busy")
	err := run(t, recorder{name: "a", log: &log}, recorder{name: "b", log: &log, start: broken}, recorder{name: "c", log: &log})
	if !errors.Is(err, broken) {
		t.Errorf("error %v, want the part's own", err)
	}
	if want := []string{"start a", "start b", "stop a"}; !slices.Equal(log, want) {
		t.Errorf("order %q, want %q", log, want)
	}
}

func TestABusyPortNamesTheVariable(t *testing.T) {
	taken, err := net.Listen("tcp", "localhost:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	r := reader(t, "stock", map[string]string{"HTTP_ADDRESS": taken.Addr().String()})
	err = NewHTTPServer(r, "HTTP_ADDRESS", http.NotFoundHandler()).Start(nil)
	if err == nil || !strings.Contains(err.Error(), "HTTP_ADDRESS") {
		t.Errorf("error %v, want one that names HTTP_ADDRESS", err)
	}
}

func TestReadyOnlyWithAllDependencies(t *testing.T) {
	var away error
	checks := Checks{"rabbitmq": func(context.Context) error { return away }}
	handler := WithHealth(checks, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) }))
	status := func(path string) (int, map[string]string) {
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		var answer map[string]string
		_ = json.Unmarshal(w.Body.Bytes(), &answer)
		return w.Code, answer
	}
	if code, _ := status("/readyz"); code != http.StatusOK {
		t.Errorf("readyz %d with the broker there, want 200", code)
	}
	away = errors.New("broker is away")
	code, answer := status("/readyz")
	if code != http.StatusServiceUnavailable || answer["rabbitmq"] != "broker is away" {
		t.Errorf("readyz %d %v with the broker away, want 503 and the reason", code, answer)
	}
	if code, _ := status("/healthz"); code != http.StatusOK {
		t.Errorf("healthz %d with the broker away, want 200: the service lives", code)
	}
	if code, _ := status("/api"); code != http.StatusTeapot {
		t.Errorf("other path %d, want the service's own answer", code)
	}
}

func TestHealthcheckAsksTheServiceItself(t *testing.T) {
	ready := true
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if req.URL.Path != "/readyz" || !ready {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	defer server.Close()
	_, port, _ := net.SplitHostPort(server.Listener.Addr().String())
	r := reader(t, "mailer", map[string]string{"HEALTH_ADDRESS": "127.0.0.1:" + port})
	if code := healthcheck(r); code != 0 {
		t.Errorf("exit code %d of a ready service, want 0", code)
	}
	ready = false
	if code := healthcheck(r); code != 1 {
		t.Errorf("exit code %d of a service that is not ready, want 1", code)
	}
}

func TestAllInterfacesAreReachedOverLoopback(t *testing.T) {
	for address, want := range map[string]string{
		":8080": "localhost:8080", "0.0.0.0:8080": "localhost:8080", "[::]:8080": "localhost:8080",
		"shop:8080": "shop:8080", "127.0.0.1:1": "127.0.0.1:1",
	} {
		if got := dialable(address); got != want {
			t.Errorf("dialable(%q) = %q, want %q", address, got, want)
		}
	}
}
