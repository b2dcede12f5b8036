// Package gateway is the shop's door: every user action but restocking begins
// here, and its server span is the root of the journey.
package gateway

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/otelcol-journey/otelcol-journey/demo-services/internal/app"
	"github.com/otelcol-journey/otelcol-journey/demo-services/internal/checkoutpb"
	"github.com/otelcol-journey/otelcol-journey/demo-services/internal/store"
	"github.com/otelcol-journey/otelcol-journey/demo-services/internal/telemetry"
)

const (
	// callTime bounds one call of another service. A checkout may wait 1.4 s for
	// a lock and 3 s for the broker.
	callTime = 6 * time.Second
	// largestBody bounds what a caller may send.
	largestBody = 64 << 10
)

// Service answers the shop's users. It is safe for concurrent use.
type Service struct {
	tracer   trace.Tracer
	log      *slog.Logger
	sessions *store.Store
	checkout checkoutpb.CheckoutServiceClient
	orders   remote
	gifts    remote
}

// New returns the service. The URLs are those of orders and users without a path.
func New(i telemetry.Instruments, checkout checkoutpb.CheckoutServiceClient, ordersURL, usersURL string) *Service {
	return &Service{
		tracer:   i.Tracer(),
		log:      i.Log,
		sessions: store.Redis(i.Tracer(), "1"),
		checkout: checkout,
		orders:   remote{client: i.Client("/orders/:user_id", callTime), base: ordersURL},
		gifts:    remote{client: i.Client("/users/:user_id/giftcards", callTime), base: usersURL},
	}
}

// Routes are the HTTP service. Another method on a known path gets 405.
func (s *Service) Routes() *http.ServeMux {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /api/checkout", s.doCheckout)
	mux.HandleFunc("GET /api/orders", s.history)
	mux.HandleFunc("POST /api/giftcards", s.giftCard)
	return mux
}

// session looks up who is asking, as every request does first.
func (s *Service) session(req *http.Request) error {
	get := store.Call{Operation: "GET", Collection: "session", Text: "GET session:?"}
	return s.sessions.Do(req.Context(), get, func() error { return nil })
}

// fail logs why a request ends and answers; the answer's text holds no details
// of the inside.
func (s *Service) fail(w http.ResponseWriter, req *http.Request, status int, text string, err error) {
	level := slog.LevelWarn
	if status >= http.StatusInternalServerError {
		level = slog.LevelError
		trace.SpanFromContext(req.Context()).RecordError(err)
	}
	s.log.Log(req.Context(), level, text, "status", status, "error", err)
	app.WriteJSON(w, status, map[string]string{"error": text})
}

// decode reads a request's JSON body inside a span of its own.
func (s *Service) decode(w http.ResponseWriter, req *http.Request, into any) error {
	_, span := s.tracer.Start(req.Context(), "read request", trace.WithAttributes(attribute.Int64("http.request.body.size", req.ContentLength)))
	defer span.End()
	body := json.NewDecoder(http.MaxBytesReader(w, req.Body, largestBody))
	body.DisallowUnknownFields()
	err := body.Decode(into)
	if err != nil {
		span.SetStatus(codes.Error, err.Error())
	}
	return err
}
