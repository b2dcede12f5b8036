package orders

import (
	"github.com/otelcol-journey/otelcol-journey/demo-services/internal/app"
	"github.com/otelcol-journey/otelcol-journey/demo-services/internal/env"
	"github.com/otelcol-journey/otelcol-journey/demo-services/internal/ginserver"
	"github.com/otelcol-journey/otelcol-journey/demo-services/internal/telemetry"
)

// Build wires the program orders.
func Build(r *env.Reader) ([]app.Part, error) {
	sdk, err := telemetry.New(r)
	if err != nil {
		return nil, err
	}
	usersURL := r.Text("USERS_SERVICE_URL")
	service, err := New(sdk.Instruments, usersURL, r.Text("SHOP_ENVIRONMENT"), r.Text("SHOP_VERSION"))
	if err != nil {
		return nil, err
	}
	engine := ginserver.New(sdk.Instruments, service.Register)
	checks := app.Checks{"users": app.Alive(usersURL)}
	return []app.Part{sdk, app.NewHTTPServer(r, "HTTP_ADDRESS", app.WithHealth(checks, engine))}, nil
}
