package main

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"path/filepath"
	"strconv"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/otelcol-journey/otelcol-journey/internal/stack"
)

// service is one program of the shop. Its variables are the port variable's
// address by the name the program reads.
type service struct {
	name      string
	health    string            // the port variable of /readyz
	addresses map[string]string // host:port
	urls      map[string]string // http://host:port
	rabbitmq  bool
}

var services = []service{
	{name: "users", health: "DEMO_USERS_PORT", addresses: map[string]string{"HTTP_ADDRESS": "DEMO_USERS_PORT"}},
	{
		name: "orders", health: "DEMO_ORDERS_PORT",
		addresses: map[string]string{"HTTP_ADDRESS": "DEMO_ORDERS_PORT"},
		urls:      map[string]string{"USERS_SERVICE_URL": "DEMO_USERS_PORT"},
	},
	{name: "stock", health: "DEMO_STOCK_PORT", rabbitmq: true, addresses: map[string]string{"HTTP_ADDRESS": "DEMO_STOCK_PORT"}},
	{
		name: "checkout", health: "DEMO_CHECKOUT_HEALTH_PORT", rabbitmq: true,
		addresses: map[string]string{"GRPC_ADDRESS": "DEMO_CHECKOUT_PORT", "HEALTH_ADDRESS": "DEMO_CHECKOUT_HEALTH_PORT"},
	},
	{name: "mailer", health: "DEMO_MAILER_PORT", rabbitmq: true, addresses: map[string]string{"HEALTH_ADDRESS": "DEMO_MAILER_PORT"}},
	{
		name: "gateway", health: "DEMO_GATEWAY_PORT",
		addresses: map[string]string{"HTTP_ADDRESS": "DEMO_GATEWAY_PORT", "CHECKOUT_SERVICE_ADDRESS": "DEMO_CHECKOUT_PORT"},
		urls:      map[string]string{"ORDERS_SERVICE_URL": "DEMO_ORDERS_PORT", "USERS_SERVICE_URL": "DEMO_USERS_PORT"},
	},
}

// serviceGrace is enough for a last export to a collector that is there.
const serviceGrace = 15 * time.Second

func (a *assembly) shopParts(s *settings, dir string) []*part {
	var parts []*part
	for _, svc := range services {
		parts = append(parts, &part{name: svc.name, timeout: startTimeout, start: func(ctx context.Context) (running, error) {
			return started(stack.StartService(ctx, stack.ProcessSpec{
				Name: svc.name, Path: s.bin(svc.name), Env: svc.environment(s, a.broker.URL), Dir: dir,
				LogFile: filepath.Join(dir, svc.name+".log"), Grace: serviceGrace,
			}, s.url(svc.health, "readyz")))
		}})
	}
	return parts
}

func (svc service) environment(s *settings, brokerURL string) []string {
	env := []string{
		"OTEL_SERVICE_NAME=" + svc.name,
		"OTEL_EXPORTER_OTLP_ENDPOINT=" + s.url("DEMO_OTLP_GRPC_PORT"),
		"OTEL_BSP_SCHEDULE_DELAY=1000",
		"OTEL_BLRP_SCHEDULE_DELAY=1000",
	}
	if svc.rabbitmq {
		env = append(env, "RABBITMQ_URL="+brokerURL)
	}
	for name, port := range svc.addresses {
		env = append(env, name+"="+s.address(port))
	}
	for name, port := range svc.urls {
		env = append(env, name+"="+s.url(port))
	}
	return env
}

// shopper is the process that makes the traffic; a duration of 0 never ends.
func shopper(s *settings, dir string, duration time.Duration) stack.ProcessSpec {
	return stack.ProcessSpec{
		Name: "shopper", Path: s.bin("shopper"), Dir: dir, LogFile: filepath.Join(dir, "shopper.log"), Grace: serviceGrace,
		Env: []string{
			"GATEWAY_URL=" + s.url("DEMO_GATEWAY_PORT"),
			"STOCK_SERVICE_URL=" + s.url("DEMO_STOCK_PORT"),
			"SHOPPER_RATE=" + strconv.FormatFloat(s.rate, 'f', -1, 64),
			"SHOPPER_DURATION=" + duration.String(),
			"SHOPPER_TRUTH_FILE=" + filepath.Join(dir, truthFile),
		},
	}
}

// Files below the directory of a run.
const (
	truthFile    = "truth.jsonl"
	keptLogsFile = "kept-logs.jsonl"
	allLogsFile  = "all-logs.jsonl"
	// recordingFile is everything that came in, for bin/plan.
	recordingFile = "recording.otlp"
	// reportFile is the comparison as a page with plots.
	reportFile = "report.html"
)

func (a *assembly) collectorPart(s *settings, dir string) *part {
	return &part{name: "collector", timeout: startTimeout, start: func(ctx context.Context) (running, error) {
		env, err := collectorEnvironment(s, dir, a.broker.URL)
		if err != nil {
			return nil, err
		}
		return started(stack.StartCollector(ctx, stack.CollectorSpec{
			Path:    s.bin("otelcol-journey"),
			Configs: []string{s.path("otelcol-config.yaml"), s.path("deploy", "compare.yaml"), s.path("deploy", "record.yaml")},
			Env:     env, Dir: dir, LogFile: filepath.Join(dir, "collector.log"),
		}))
	}}
}

func collectorEnvironment(s *settings, dir, brokerURL string) (map[string]string, error) {
	broker, err := amqp.ParseURI(brokerURL)
	if err != nil {
		return nil, fmt.Errorf("read the broker's address: %w", err)
	}
	endpoint := url.URL{Scheme: broker.Scheme, Host: net.JoinHostPort(broker.Host, strconv.Itoa(broker.Port))}
	return map[string]string{
		"OTLP_GRPC_ENDPOINT":       s.address("DEMO_OTLP_GRPC_PORT"),
		"OTLP_HTTP_ENDPOINT":       s.address("DEMO_OTLP_HTTP_PORT"),
		"METRICS_HOST":             "localhost",
		"METRICS_PORT":             strconv.Itoa(s.ports["METRICS_PORT"]),
		"HEALTH_ENDPOINT":          s.address("DEMO_HEALTH_PORT"),
		"JOURNEYS_ENDPOINT":        s.address("DEMO_JOURNEYS_PORT"),
		"JAEGER_URL":               s.url("DEMO_JAEGER_PORT"),
		"AMQP_ENDPOINT":            endpoint.String(),
		"AMQP_VHOST":               broker.Vhost,
		"AMQP_USERNAME":            broker.Username,
		"AMQP_PASSWORD":            broker.Password,
		"JAEGER_OTLP_ENDPOINT":     s.address("DEMO_JAEGER_OTLP_PORT"),
		"JAEGER_ALL_OTLP_ENDPOINT": s.address("DEMO_JAEGER_ALL_OTLP_PORT"),
		"KEPT_LOGS_FILE":           filepath.Join(dir, keptLogsFile),
		"RECORDING_FILE":           filepath.Join(dir, recordingFile),
		"ALL_LOGS_FILE":            filepath.Join(dir, allLogsFile),
	}, nil
}
