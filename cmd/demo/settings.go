package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/otelcol-journey/otelcol-journey/internal/stack"
)

// settings are the demo's, from the environment. Ports are kept by the name of
// the variable that moves them.
type settings struct {
	root     string // of the repository
	rate     float64
	duration time.Duration
	ports    map[string]int
}

// portNames lists every port the demo listens on: variable, default, what for.
var portNames = []struct {
	variable string
	port     int
	use      string
}{
	{"DEMO_RABBITMQ_PORT", 5673, "RabbitMQ"},
	{"DEMO_OTLP_GRPC_PORT", 4317, "the collector's OTLP over gRPC"},
	{"DEMO_OTLP_HTTP_PORT", 4318, "the collector's OTLP over HTTP"},
	{"METRICS_PORT", 8888, "the collector's own metrics"},
	{"DEMO_HEALTH_PORT", 13133, "the collector's health check"},
	{"DEMO_JOURNEYS_PORT", 8686, "the page of all journeys"},
	{"DEMO_JAEGER_PORT", 16686, "the page and API of the Jaeger that stores what is kept"},
	{"DEMO_JAEGER_OTLP_PORT", 14317, "that Jaeger's OTLP"},
	{"DEMO_JAEGER_METRICS_PORT", 18888, "that Jaeger's own metrics"},
	{"DEMO_JAEGER_ALL_PORT", 26686, "the page and API of the Jaeger that stores everything"},
	{"DEMO_JAEGER_ALL_OTLP_PORT", 24317, "that Jaeger's OTLP"},
	{"DEMO_JAEGER_ALL_METRICS_PORT", 28888, "that Jaeger's own metrics"},
	{"DEMO_GATEWAY_PORT", 8080, "the shop's gateway"},
	{"DEMO_ORDERS_PORT", 8081, "the shop's orders"},
	{"DEMO_USERS_PORT", 8082, "the shop's users"},
	{"DEMO_STOCK_PORT", 8083, "the shop's stock"},
	{"DEMO_MAILER_PORT", 8084, "the health check of the shop's mailer"},
	{"DEMO_CHECKOUT_PORT", 50051, "the shop's checkout over gRPC"},
	{"DEMO_CHECKOUT_HEALTH_PORT", 8085, "the health check of the shop's checkout"},
}

const (
	// defaultRate leaves a machine of two cores room for everything that runs on
	// it: broker, two Jaegers, collector and seven services.
	defaultRate     = 20.0
	defaultDuration = time.Minute
)

// readSettings reads the environment through get and reports every fault at once.
func readSettings(get func(string) string) (settings, error) {
	s := settings{rate: defaultRate, duration: defaultDuration, ports: map[string]int{}}
	var errs []error
	if text := get("DEMO_RATE"); text != "" {
		rate, err := strconv.ParseFloat(text, 64)
		if err != nil || rate <= 0 || rate > 1e6 {
			errs = append(errs, fmt.Errorf("DEMO_RATE must be journeys a second above 0, got %q", text))
		}
		s.rate = rate
	}
	if text := get("DEMO_DURATION"); text != "" {
		duration, err := time.ParseDuration(text)
		if err != nil || duration <= 0 {
			errs = append(errs, fmt.Errorf("DEMO_DURATION must be a time above 0 such as 60s, got %q", text))
		}
		s.duration = duration
	}
	for _, p := range portNames {
		port, err := portSetting(get, p.variable, p.port)
		if err != nil {
			errs = append(errs, err)
		}
		s.ports[p.variable] = port
	}
	root, err := findRoot()
	s.root = root
	return s, errors.Join(append(errs, err)...)
}

// addressOf names the variables of otelcol-config.yaml that hold a whole
// address; the demo takes their port when its own variable is not set.
var addressOf = map[string]string{
	"DEMO_OTLP_GRPC_PORT": "OTLP_GRPC_ENDPOINT",
	"DEMO_OTLP_HTTP_PORT": "OTLP_HTTP_ENDPOINT",
	"DEMO_HEALTH_PORT":    "HEALTH_ENDPOINT",
	"DEMO_JOURNEYS_PORT":  "JOURNEYS_ENDPOINT",
}

func portSetting(get func(string) string, variable string, fallback int) (int, error) {
	text := get(variable)
	if address := get(addressOf[variable]); text == "" && address != "" {
		_, port, err := net.SplitHostPort(address)
		if err != nil {
			return 0, fmt.Errorf("%s must be host:port, got %q", addressOf[variable], address)
		}
		variable, text = addressOf[variable], port
	}
	if text == "" {
		return fallback, nil
	}
	port, err := strconv.Atoi(text)
	if err != nil || port < 1 || port > 65535 {
		return 0, fmt.Errorf("%s must be a port from 1 to 65535, got %q", variable, text)
	}
	return port, nil
}

// forgetForeign removes variables of the caller's shell that the shop, the
// broker or a Jaeger would read as theirs: a sampler or an endpoint set for
// other work would make the figures wrong.
func forgetForeign() error {
	for _, entry := range os.Environ() {
		name, _, _ := strings.Cut(entry, "=")
		if strings.HasPrefix(name, "OTEL_") || strings.HasPrefix(name, "RABBITMQ_") {
			if err := os.Unsetenv(name); err != nil {
				return fmt.Errorf("clear %s: %w", name, err)
			}
		}
	}
	return nil
}

// findRoot is the nearest directory upwards that holds the published config.
func findRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for start := dir; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "otelcol-config.yaml")); err == nil {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", fmt.Errorf("otelcol-config.yaml is neither in %s nor above: run the demo in the repository", start)
		}
	}
}

// chooseFreePorts replaces every port by a free one, so that a demo can run
// beside anything.
func (s *settings) chooseFreePorts() error {
	taken := map[int]bool{}
	for _, p := range portNames {
		for {
			port, err := stack.FreePort()
			if err != nil {
				return err
			}
			if !taken[port] {
				taken[port] = true
				s.ports[p.variable] = port
				break
			}
		}
	}
	return nil
}

// checkPorts names what is in the way. A broker of AMQP_URL needs no port.
func (s *settings) checkPorts() error {
	var uses []stack.PortUse
	for _, p := range portNames {
		if p.variable == "DEMO_RABBITMQ_PORT" && os.Getenv("AMQP_URL") != "" {
			continue
		}
		uses = append(uses, stack.PortUse{Port: s.ports[p.variable], Name: p.use, Setting: p.variable})
	}
	return stack.CheckPorts(uses)
}

func (s *settings) path(parts ...string) string {
	return filepath.Join(append([]string{s.root}, parts...)...)
}

func (s *settings) bin(name string) string { return s.path("bin", name) }

// address is localhost with the port of a variable.
func (s *settings) address(variable string) string {
	return fmt.Sprintf("localhost:%d", s.ports[variable])
}

func (s *settings) url(variable string, path ...string) string {
	return strings.Join(append([]string{"http://" + s.address(variable)}, path...), "/")
}
