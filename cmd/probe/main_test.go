package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestProbeSaysWhetherTheAnswerIsASuccess(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/unwell" {
			w.WriteHeader(http.StatusServiceUnavailable)
			_, _ = io.WriteString(w, "receiver not started")
		}
	}))
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()

	tests := map[string]struct {
		args []string
		want string // part of the error; empty: none
	}{
		"healthy":          {args: []string{server.URL + "/"}},
		"unhealthy":        {args: []string{server.URL + "/unwell"}, want: "503 Service Unavailable: receiver not started"},
		"nobody listening": {args: []string{gone.URL}, want: "refused"},
		"not a URL":        {args: []string{"127.0.0.1:13133"}, want: "127.0.0.1:13133"},
		"no argument":      {want: "usage"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			err := run(t.Context(), test.args)
			switch {
			case test.want == "" && err != nil:
				t.Errorf("unexpected error: %v", err)
			case test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)):
				t.Errorf("error is %v, want one with %q", err, test.want)
			}
		})
	}
	server.Close()
}
