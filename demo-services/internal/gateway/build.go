package gateway

import (
	"context"
	"fmt"
	"time"

	"go.opentelemetry.io/contrib/instrumentation/google.golang.org/grpc/otelgrpc"
	"go.opentelemetry.io/contrib/instrumentation/google.golang.org/grpc/otelgrpc/filters"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"

	"github.com/otelcol-journey/otelcol-journey/demo-services/internal/app"
	"github.com/otelcol-journey/otelcol-journey/demo-services/internal/checkoutpb"
	"github.com/otelcol-journey/otelcol-journey/demo-services/internal/env"
	"github.com/otelcol-journey/otelcol-journey/demo-services/internal/telemetry"
)

// Build wires the program gateway.
func Build(r *env.Reader) ([]app.Part, error) {
	sdk, err := telemetry.New(r)
	if err != nil {
		return nil, err
	}
	conn, err := dial(sdk.Instruments, r.Text("CHECKOUT_SERVICE_ADDRESS"))
	if err != nil {
		return nil, err
	}
	ordersURL, usersURL := r.Text("ORDERS_SERVICE_URL"), r.Text("USERS_SERVICE_URL")
	service := New(sdk.Instruments, checkoutpb.NewCheckoutServiceClient(conn), ordersURL, usersURL)
	checks := app.Checks{
		"checkout": checkoutAlive(conn),
		"orders":   app.Alive(ordersURL),
		"users":    app.Alive(usersURL),
	}
	return []app.Part{
		sdk,
		connection{conn},
		app.NewHTTPServer(r, "HTTP_ADDRESS", app.WithHealth(checks, sdk.Server(service.Routes()))),
	}, nil
}

// dial prepares the connection to checkout, which is made with the first call
// and again whenever it was lost. Within the demo's network it is plain text.
func dial(i telemetry.Instruments, address string) (*grpc.ClientConn, error) {
	wait := backoff.DefaultConfig
	wait.MaxDelay = 5 * time.Second // gRPC's own two minutes would outlast any restart
	conn, err := grpc.NewClient(address,
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithConnectParams(grpc.ConnectParams{Backoff: wait, MinConnectTimeout: 5 * time.Second}),
		grpc.WithStatsHandler(otelgrpc.NewClientHandler(
			otelgrpc.WithTracerProvider(i.Traces),
			otelgrpc.WithMeterProvider(i.Metrics),
			otelgrpc.WithPropagators(i.Propagator),
			otelgrpc.WithFilter(filters.Not(filters.HealthCheck())),
		)))
	if err != nil {
		return nil, fmt.Errorf("prepare calls to CHECKOUT_SERVICE_ADDRESS=%q: %w", address, err)
	}
	return conn, nil
}

func checkoutAlive(conn *grpc.ClientConn) app.Check {
	client := grpc_health_v1.NewHealthClient(conn)
	return func(ctx context.Context) error {
		_, err := client.Check(ctx, &grpc_health_v1.HealthCheckRequest{})
		return err
	}
}

// connection is the part that closes the connection to checkout.
type connection struct{ *grpc.ClientConn }

// Start has nothing to do: the first call connects.
func (connection) Start(func(error)) error { return nil }

// Stop closes the connection; nothing is in flight any more.
func (c connection) Stop(context.Context) error { return c.Close() }
