package app

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/otelcol-journey/otelcol-journey/demo-services/internal/env"
)

// checkTime bounds one look at the dependencies.
const checkTime = 2 * time.Second

// Check says why a dependency cannot be used now, or nil. Checks may run at the
// same time.
type Check func(ctx context.Context) error

// Checks are a program's dependencies by name.
type Checks map[string]Check

// WithHealth answers /healthz (the program runs) and /readyz (all its
// dependencies are connected) itself and leaves the rest to next, which may be
// nil. It is no ServeMux, because next should find the request's pattern unset.
func WithHealth(checks Checks, next http.Handler) http.Handler {
	if next == nil {
		next = http.NotFoundHandler()
	}
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		switch req.URL.Path {
		case "/healthz":
			WriteJSON(w, http.StatusOK, map[string]string{"status": "alive"})
		case "/readyz":
			checks.serve(w, req)
		default:
			next.ServeHTTP(w, req)
		}
	})
}

func (c Checks) serve(w http.ResponseWriter, req *http.Request) {
	ctx, cancel := context.WithTimeout(req.Context(), checkTime)
	defer cancel()
	status, answer := http.StatusOK, map[string]string{"status": "ready"}
	for name, check := range c {
		answer[name] = "connected"
		if err := check(ctx); err != nil {
			answer[name] = err.Error()
			answer["status"] = "not ready"
			status = http.StatusServiceUnavailable
		}
	}
	WriteJSON(w, status, answer)
}

// Alive is the check for another program's HTTP service at the base URL.
func Alive(base string) Check {
	return func(ctx context.Context) error {
		return get(ctx, base+"/healthz")
	}
}

// WriteJSON answers with the value. A client that has gone is not an error of ours.
func WriteJSON(w http.ResponseWriter, status int, value any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(value)
}

// healthcheck is what a container's health check runs: the image has no shell
// and no curl, so the program asks itself.
func healthcheck(r *env.Reader) int {
	variable := "HTTP_ADDRESS"
	if r.Has("HEALTH_ADDRESS") {
		variable = "HEALTH_ADDRESS"
	}
	ctx, cancel := context.WithTimeout(context.Background(), checkTime+time.Second)
	defer cancel()
	if err := get(ctx, "http://"+dialable(r.Text(variable))+"/readyz"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// dialable turns an address that is listened on into one that can be called:
// "all interfaces" is reached over loopback.
func dialable(address string) string {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return address
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "localhost"
	}
	return net.JoinHostPort(host, port)
}

func get(ctx context.Context, url string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return fmt.Errorf("get %s: %w", url, err)
	}
	// Its own connection each time: a check must see whether a new one can be made.
	transport := &http.Transport{DisableKeepAlives: true}
	defer transport.CloseIdleConnections()
	resp, err := transport.RoundTrip(req)
	if err != nil {
		return fmt.Errorf("get %s: %w", url, err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("get %s: status %d", url, resp.StatusCode)
	}
	return nil
}
