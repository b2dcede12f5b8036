// Package ginserver sets Gin up in the same way for every service that uses it.
package ginserver

import (
	"net/http"

	"github.com/gin-gonic/gin"
	"go.opentelemetry.io/contrib/instrumentation/github.com/gin-gonic/gin/otelgin"

	"github.com/otelcol-journey/otelcol-journey/demo-services/internal/telemetry"
)

// New returns an instrumented engine with the routes that register adds, and
// /metrics beside them if there are metrics to scrape.
func New(i telemetry.Instruments, register func(gin.IRoutes)) http.Handler {
	gin.SetMode(gin.ReleaseMode)
	engine := gin.New()
	if i.Scrape != nil {
		engine.GET("/metrics", gin.WrapH(i.Scrape)) // before the middleware: not traced
	}
	engine.Use(
		gin.Recovery(),
		otelgin.Middleware(i.Service,
			otelgin.WithTracerProvider(i.Traces),
			otelgin.WithMeterProvider(i.Metrics),
			otelgin.WithPropagators(i.Propagator)),
		func(c *gin.Context) { telemetry.SetTraceHeader(c.Writer, c.Request) },
	)
	register(engine)
	return engine
}
