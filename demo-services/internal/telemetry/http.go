package telemetry

import (
	"net/http"
	"strings"
	"time"

	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	semconv "go.opentelemetry.io/otel/semconv/v1.41.0"
	"go.opentelemetry.io/otel/trace"
)

// TraceHeader is the response header in which every instrumented HTTP service
// of the shop names the trace.
const TraceHeader = "X-Trace-Id"

// SetTraceHeader sets TraceHeader from the span in the request's context.
func SetTraceHeader(w http.ResponseWriter, req *http.Request) {
	if sc := trace.SpanContextFromContext(req.Context()); sc.HasTraceID() {
		w.Header().Set(TraceHeader, sc.TraceID().String())
	}
}

// Server instruments a mux: its spans are named like its patterns, for example
// "POST /api/checkout", and by the method alone where no pattern fits.
func (i Instruments) Server(mux *http.ServeMux) http.Handler {
	named := http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		SetTraceHeader(w, req)
		if _, pattern := mux.Handler(req); pattern != "" {
			_, route, _ := strings.Cut(pattern, " ")
			trace.SpanFromContext(req.Context()).SetAttributes(semconv.HTTPRoute(route))
		}
		mux.ServeHTTP(w, req)
	})
	return otelhttp.NewHandler(named, "server",
		otelhttp.WithTracerProvider(i.Traces),
		otelhttp.WithMeterProvider(i.Metrics),
		otelhttp.WithPropagators(i.Propagator),
		otelhttp.WithSpanNameFormatter(func(_ string, req *http.Request) string {
			if _, pattern := mux.Handler(req); pattern != "" {
				return pattern
			}
			return req.Method
		}))
}

// Client returns an HTTP client whose spans are named after the method and the
// route of the service called, which has to be given because URLs hold ids.
func (i Instruments) Client(route string, timeout time.Duration) *http.Client {
	return &http.Client{
		Timeout: timeout,
		Transport: otelhttp.NewTransport(http.DefaultTransport.(*http.Transport).Clone(),
			otelhttp.WithTracerProvider(i.Traces),
			otelhttp.WithMeterProvider(i.Metrics),
			otelhttp.WithPropagators(i.Propagator),
			otelhttp.WithSpanNameFormatter(func(_ string, req *http.Request) string {
				return req.Method + " " + route
			})),
	}
}
