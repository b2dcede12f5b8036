package checkout

import (
	"context"
	"fmt"
	"net"

	"go.opentelemetry.io/contrib/instrumentation/google.golang.org/grpc/otelgrpc"
	"go.opentelemetry.io/contrib/instrumentation/google.golang.org/grpc/otelgrpc/filters"
	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"

	"github.com/otelcol-journey/otelcol-journey/demo-services/internal/app"
	"github.com/otelcol-journey/otelcol-journey/demo-services/internal/broker"
	"github.com/otelcol-journey/otelcol-journey/demo-services/internal/checkoutpb"
	"github.com/otelcol-journey/otelcol-journey/demo-services/internal/env"
	"github.com/otelcol-journey/otelcol-journey/demo-services/internal/telemetry"
)

// Build wires the program checkout.
func Build(r *env.Reader) ([]app.Part, error) {
	address, err := broker.URL(r)
	if err != nil {
		return nil, err
	}
	sdk, err := telemetry.New(r)
	if err != nil {
		return nil, err
	}
	publisher := broker.NewPublisher(address, "checkout publisher")
	checks := app.Checks{"rabbitmq": publisher.Ready}
	return []app.Part{
		sdk,
		app.NewHTTPServer(r, "HEALTH_ADDRESS", app.WithHealth(checks, nil)),
		publisher,
		&server{address: r.Text("GRPC_ADDRESS"), server: NewServer(sdk.Instruments, New(sdk.Instruments, publisher))},
	}, nil
}

// NewServer registers the service and gRPC's own health service, whose calls
// are not traced.
func NewServer(i telemetry.Instruments, service *Service) *grpc.Server {
	s := grpc.NewServer(grpc.StatsHandler(otelgrpc.NewServerHandler(
		otelgrpc.WithTracerProvider(i.Traces),
		otelgrpc.WithMeterProvider(i.Metrics),
		otelgrpc.WithPropagators(i.Propagator),
		otelgrpc.WithFilter(filters.Not(filters.HealthCheck())),
	)))
	checkoutpb.RegisterCheckoutServiceServer(s, service)
	grpc_health_v1.RegisterHealthServer(s, health.NewServer())
	return s
}

// server is the part that serves gRPC.
type server struct {
	address string
	server  *grpc.Server
}

// Start listens before it returns.
func (s *server) Start(fail func(error)) error {
	listener, err := net.Listen("tcp", s.address)
	if err != nil {
		return fmt.Errorf("listen on GRPC_ADDRESS=%q: %w", s.address, err)
	}
	go func() {
		if err := s.server.Serve(listener); err != nil {
			fail(fmt.Errorf("serve GRPC_ADDRESS=%q: %w", s.address, err))
		}
	}()
	return nil
}

// Stop lets the calls in flight finish.
func (s *server) Stop(ctx context.Context) error {
	hurry := context.AfterFunc(ctx, s.server.Stop)
	defer hurry()
	s.server.GracefulStop()
	return ctx.Err()
}
