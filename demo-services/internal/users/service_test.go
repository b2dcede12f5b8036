package users_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/otelcol-journey/otelcol-journey/demo-services/internal/ginserver"
	"github.com/otelcol-journey/otelcol-journey/demo-services/internal/telemetry/telemetrytest"
	"github.com/otelcol-journey/otelcol-journey/demo-services/internal/users"
)

func TestUsersAndTheirGiftCards(t *testing.T) {
	tests := []struct {
		method, path, body string
		want               int
	}{
		{http.MethodGet, "/users/1", "", http.StatusOK},
		{http.MethodGet, "/users/998", "", http.StatusOK},
		{http.MethodGet, "/users/999", "", http.StatusNotFound},
		{http.MethodGet, "/users/0", "", http.StatusNotFound},
		{http.MethodGet, "/users/x", "", http.StatusNotFound},
		{http.MethodPost, "/users/4/giftcards", `{"amount":5000}`, http.StatusCreated},
		{http.MethodPost, "/users/999/giftcards", `{"amount":5000}`, http.StatusNotFound},
		{http.MethodPost, "/users/4/giftcards", `{"amount":0}`, http.StatusBadRequest},
		{http.MethodPost, "/users/4/giftcards", "x", http.StatusBadRequest},
	}
	for _, tt := range tests {
		i, _ := telemetrytest.New(t)
		service, err := users.New(i)
		if err != nil {
			t.Fatal(err)
		}
		w := httptest.NewRecorder()
		ginserver.New(i, service.Register).ServeHTTP(w, httptest.NewRequest(tt.method, tt.path, strings.NewReader(tt.body)))
		if w.Code != tt.want {
			t.Errorf("%s %s %s: status %d, want %d", tt.method, tt.path, tt.body, w.Code, tt.want)
		}
		if w.Header().Get("X-Trace-Id") == "" {
			t.Errorf("%s %s: no trace id", tt.method, tt.path)
		}
	}
}
