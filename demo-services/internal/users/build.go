package users

import (
	"github.com/otelcol-journey/otelcol-journey/demo-services/internal/app"
	"github.com/otelcol-journey/otelcol-journey/demo-services/internal/env"
	"github.com/otelcol-journey/otelcol-journey/demo-services/internal/ginserver"
	"github.com/otelcol-journey/otelcol-journey/demo-services/internal/telemetry"
)

// Build wires the program users, which depends on nothing.
func Build(r *env.Reader) ([]app.Part, error) {
	sdk, err := telemetry.New(r)
	if err != nil {
		return nil, err
	}
	service, err := New(sdk.Instruments)
	if err != nil {
		return nil, err
	}
	engine := ginserver.New(sdk.Instruments, service.Register)
	return []app.Part{sdk, app.NewHTTPServer(r, "HTTP_ADDRESS", app.WithHealth(nil, engine))}, nil
}
