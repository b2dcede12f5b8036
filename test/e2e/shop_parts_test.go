package e2e

import (
	"bufio"
	"encoding/json"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/otelcol-journey/otelcol-journey/internal/stack"
)

// service is one program of the shop: its port variable and what it asks.
type service struct {
	name string
	// address and health are the variables of the two addresses; a service of
	// HTTP answers its health checks where it answers everything.
	address, health string
	asks            map[string]string // variable: service
	rabbitmq        bool
}

var services = []service{
	{name: "users", health: "HTTP_ADDRESS"},
	{name: "orders", health: "HTTP_ADDRESS", asks: map[string]string{"USERS_SERVICE_URL": "users"}},
	{name: "stock", health: "HTTP_ADDRESS", rabbitmq: true},
	{name: "checkout", address: "GRPC_ADDRESS", health: "HEALTH_ADDRESS", rabbitmq: true},
	{name: "mailer", health: "HEALTH_ADDRESS", rabbitmq: true},
	{
		name: "gateway", health: "HTTP_ADDRESS",
		asks: map[string]string{"ORDERS_SERVICE_URL": "orders", "USERS_SERVICE_URL": "users", "CHECKOUT_SERVICE_ADDRESS": "checkout"},
	},
}

// shop is the running demo shop of one test.
type shop struct {
	p         *parts
	addresses map[string]string // by service
	running   map[string]*stack.Process
	health    map[string]string // URL, by service
}

func (p *parts) startShop(t *testing.T) *shop {
	t.Helper()
	s := &shop{p: p, addresses: map[string]string{}, running: map[string]*stack.Process{}, health: map[string]string{}}
	for _, svc := range services {
		s.addresses[svc.name] = address(world.ports.take(t))
	}
	for _, svc := range services {
		s.start(t, svc)
	}
	return s
}

// start returns when the service is ready, and ends it with the test.
func (s *shop) start(t *testing.T, svc service) {
	t.Helper()
	env, health := s.environment(t, svc)
	s.health[svc.name] = "http://" + health + "/readyz"
	s.run(t, stack.ProcessSpec{
		Name: svc.name, Path: program(svc.name), Env: env, LogFile: filepath.Join(s.p.dir, svc.name+".log"),
	})
}

func (s *shop) run(t *testing.T, spec stack.ProcessSpec) {
	t.Helper()
	ctx, cancel := withTimeout(patience)
	defer cancel()
	process, err := stack.StartService(ctx, spec, s.health[spec.Name])
	require.NoError(t, err)
	s.running[spec.Name] = process
	t.Cleanup(func() {
		ctx, cancel := withTimeout(stopTimeout)
		defer cancel()
		require.NoError(t, process.Stop(ctx))
	})
}

// environment returns the service's variables and the address of its health
// checks.
func (s *shop) environment(t *testing.T, svc service) (env []string, health string) {
	t.Helper()
	health = s.addresses[svc.name]
	env = []string{
		"OTEL_SERVICE_NAME=" + svc.name,
		"OTEL_EXPORTER_OTLP_ENDPOINT=http://" + s.p.env["OTLP_GRPC_ENDPOINT"],
		"OTEL_BSP_SCHEDULE_DELAY=500",
	}
	if svc.address != "" {
		env = append(env, svc.address+"="+s.addresses[svc.name])
		health = address(world.ports.take(t))
	}
	env = append(env, svc.health+"="+health)
	for variable, other := range svc.asks {
		value := s.addresses[other]
		if other != "checkout" {
			value = "http://" + value
		}
		env = append(env, variable+"="+value)
	}
	if svc.rabbitmq {
		env = append(env, "RABBITMQ_URL="+s.p.brokerURL)
	}
	return env, health
}

// visits is the traffic of one run of the shopper.
type visits struct {
	process *stack.Process
	truth   string // file
	log     string
}

// startShopper begins to send traffic for the given time. More variables of the
// shopper may say of what kind.
func (s *shop) startShopper(t *testing.T, name string, duration time.Duration, more map[string]string) *visits {
	t.Helper()
	v := &visits{truth: filepath.Join(s.p.dir, name+".jsonl"), log: filepath.Join(s.p.dir, name+".log")}
	env := map[string]string{
		"GATEWAY_URL": "http://" + s.addresses["gateway"], "STOCK_SERVICE_URL": "http://" + s.addresses["stock"],
		"SHOPPER_RATE": shopRate, "SHOPPER_DURATION": duration.String(), "SHOPPER_TRUTH_FILE": v.truth,
		"SHOPPER_SHARES": shopShares, "SHOPPER_CHECKOUT_CLASSES": shopClasses, "SHOPPER_ORDER_HISTORY_CLASSES": "failed=10",
	}
	maps.Copy(env, more)
	spec := stack.ProcessSpec{Name: name, Path: program("shopper"), LogFile: v.log}
	for variable, value := range env {
		spec.Env = append(spec.Env, variable+"="+value)
	}
	var err error
	v.process, err = stack.StartProcess(t.Context(), spec)
	require.NoError(t, err)
	s.running[name] = v.process
	t.Cleanup(func() { require.NoError(t, v.process.Kill()) })
	return v
}

// asPlanned waits for the end of the traffic, in which the shop must have
// behaved as planned, and returns the truth about it.
func (v *visits) asPlanned(t *testing.T) []journeyTruth {
	t.Helper()
	ctx, cancel := withTimeout(2 * time.Minute)
	defer cancel()
	if err := v.process.Wait(ctx); err != nil {
		said, _ := stack.LogTail(v.log, logTail)
		t.Fatalf("shopper: %v\n%s", err, said)
	}
	return readTruth(t, v.truth)
}

func readTruth(t *testing.T, path string) []journeyTruth {
	t.Helper()
	file, err := os.Open(path)
	require.NoError(t, err)
	defer file.Close()
	var journeys []journeyTruth
	lines := bufio.NewScanner(file)
	lines.Scan() // the header
	for lines.Scan() {
		var j journeyTruth
		require.NoError(t, json.Unmarshal(lines.Bytes(), &j))
		journeys = append(journeys, j)
	}
	require.NoError(t, lines.Err())
	require.NotEmpty(t, journeys)
	return journeys
}

// awaitReady returns when every service says that it is ready again.
func (s *shop) awaitReady(t *testing.T) {
	t.Helper()
	for name, url := range s.health {
		eventually(t, name+" is ready again", func() error {
			res, err := get(url)
			if err != nil {
				return err
			}
			defer res.Body.Close()
			return want("status", http.StatusOK, res.StatusCode)
		})
	}
}

// stop ends all traffic and all services, whose last spans are then sent.
func (s *shop) stop(t *testing.T) {
	t.Helper()
	ctx, cancel := withTimeout(stopTimeout)
	defer cancel()
	for name, process := range s.running {
		require.NoError(t, process.Stop(ctx), name)
	}
}
