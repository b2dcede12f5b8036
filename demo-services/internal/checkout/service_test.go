package checkout_test

import (
	"context"
	"encoding/json"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	otelcodes "go.opentelemetry.io/otel/codes"
	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"

	"github.com/otelcol-journey/otelcol-journey/demo-services/internal/broker"
	"github.com/otelcol-journey/otelcol-journey/demo-services/internal/catalog"
	"github.com/otelcol-journey/otelcol-journey/demo-services/internal/checkout"
	"github.com/otelcol-journey/otelcol-journey/demo-services/internal/checkoutpb"
	"github.com/otelcol-journey/otelcol-journey/demo-services/internal/event"
	"github.com/otelcol-journey/otelcol-journey/demo-services/internal/telemetry/telemetrytest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// exchange remembers what is published, or refuses it.
type exchange struct {
	mu   sync.Mutex
	err  error
	keys []string
	sent []amqp.Publishing
}

func (e *exchange) Publish(_ context.Context, _, key string, m amqp.Publishing) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.keys, e.sent = append(e.keys, key), append(e.sent, m)
	return e.err
}

// serve runs the real gRPC server over memory and returns a client.
func serve(t *testing.T, e *exchange) (checkoutpb.CheckoutServiceClient, telemetrytest.Spans) {
	t.Helper()
	i, spans := telemetrytest.New(t)
	listener := bufconn.Listen(1 << 20)
	server := checkout.NewServer(i, checkout.New(i, e))
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	conn, err := grpc.NewClient("passthrough:///checkout",
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return listener.DialContext(ctx) }))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = conn.Close()
		server.GracefulStop()
		if err := <-served; err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	return checkoutpb.NewCheckoutServiceClient(conn), spans
}

const serverSpan = "shop.checkout.v1.CheckoutService/DoCheckout"

func TestACheckoutIsChargedAndAnnounced(t *testing.T) {
	var e exchange
	client, spans := serve(t, &e)
	items := []string{catalog.Article(0), catalog.Article(1)}
	resp, err := client.DoCheckout(t.Context(), &checkoutpb.DoCheckoutRequest{ItemsID: items})
	if err != nil {
		t.Fatal(err)
	}
	prices := catalog.Prices()
	if want := prices[items[0]] + prices[items[1]]; resp.GetTotalAmount() != want {
		t.Errorf("total %d, want %d", resp.GetTotalAmount(), want)
	}
	var order event.CheckoutProcessed
	if err := json.Unmarshal(e.sent[0].Body, &order); err != nil {
		t.Fatal(err)
	}
	if e.keys[0] != broker.CheckoutProcessed || e.sent[0].MessageId != order.OrderID || order.TotalAmount != resp.GetTotalAmount() {
		t.Errorf("announced %s %+v as %+v", e.keys[0], e.sent[0], order)
	}
	if e.sent[0].Headers["traceparent"] == nil {
		t.Error("the message carries no span context")
	}
	waitForSpan(t, spans, serverSpan)
	var events []string
	for _, e := range spans.One(serverSpan).Events {
		events = append(events, e.Name)
	}
	if len(events) != 1 || events[0] != "checkout.response" {
		t.Errorf("events %q of the server span, want the response", events)
	}
}

func TestWhatCannotBeCheckedOut(t *testing.T) {
	tests := []struct {
		name  string
		items []string
		away  bool
		code  codes.Code
		span  string // that has the error
	}{
		{"empty cart", nil, false, codes.InvalidArgument, ""},
		{"unknown item", []string{"sku-0"}, false, codes.InvalidArgument, "price cart"},
		{"declined", []string{catalog.Declined}, false, codes.FailedPrecondition, "POST /v1/charges"},
		{"broker away", []string{catalog.Article(3)}, true, codes.Unavailable, "shop send"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var e exchange
			if tt.away {
				e.err = broker.ErrAway
			}
			client, spans := serve(t, &e)
			_, err := client.DoCheckout(t.Context(), &checkoutpb.DoCheckoutRequest{ItemsID: tt.items})
			if status.Code(err) != tt.code {
				t.Fatalf("error %v, want code %s", err, tt.code)
			}
			if tt.span != "" && spans.One(tt.span).Status.Code != otelcodes.Error {
				t.Errorf("span %q has no error", tt.span)
			}
		})
	}
}

func TestAnUnroutableCheckoutIsConfirmedAllTheSame(t *testing.T) {
	var e exchange
	client, _ := serve(t, &e)
	if _, err := client.DoCheckout(t.Context(), &checkoutpb.DoCheckoutRequest{ItemsID: []string{catalog.Unroutable}}); err != nil {
		t.Fatal(err)
	}
	if e.keys[0] == broker.CheckoutProcessed {
		t.Error("published with the key that queues are bound with")
	}
}

func TestASlowCheckoutIsSlowEveryTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i, _ := telemetrytest.New(t)
		service := checkout.New(i, &exchange{})
		for range 3 {
			start := time.Now()
			if _, err := service.DoCheckout(t.Context(), &checkoutpb.DoCheckoutRequest{ItemsID: []string{catalog.Slow}}); err != nil {
				t.Fatal(err)
			}
			if took := time.Since(start); took < 1300*time.Millisecond {
				t.Errorf("took %s, want 1.3 s or more", took)
			}
		}
	})
}

func TestPricesComeFromTheCacheForAWhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i, spans := telemetrytest.New(t)
		service := checkout.New(i, &exchange{})
		buy := func() {
			if _, err := service.DoCheckout(t.Context(), &checkoutpb.DoCheckoutRequest{ItemsID: []string{catalog.Article(5)}}); err != nil {
				t.Fatal(err)
			}
		}
		buy()
		buy()
		if n := len(spans.Named("SELECT prices")); n != 1 {
			t.Errorf("%d price queries for two carts, want 1", n)
		}
		time.Sleep(time.Minute) // fake time
		buy()
		if n := len(spans.Named("SELECT prices")); n != 2 {
			t.Errorf("%d price queries after a minute, want 2", n)
		}
	})
}

// waitForSpan: the server span ends after the answer has been sent.
func waitForSpan(t *testing.T, spans telemetrytest.Spans, name string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	for len(spans.Named(name)) == 0 {
		select {
		case <-time.After(time.Millisecond):
		case <-ctx.Done():
			t.Fatalf("no span %q", name)
		}
	}
}
