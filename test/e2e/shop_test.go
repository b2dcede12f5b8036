package e2e

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
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

const (
	shopTime = 15 * time.Second
	shopRate = "10" // journeys a second
	// Every class occurs some times in 150 journeys.
	shopShares  = "checkout=60,order_history=25,restock=10,gift_card=5"
	shopClasses = "failed=5,slow=5,retried=5,dead_lettered=5,unroutable=5,lost=5"
)

func TestEveryJourneyOfTheShopThatHasToBeKeptIsInJaegerWhole(t *testing.T) {
	t.Parallel()
	p := newParts(t, world.broker.vhost(t))
	everything := p.storeEverythingElsewhere(t)
	p.startCollector(t)
	ports := p.startShop(t)
	journeys := p.shop(t, ports)

	var received int
	eventually(t, "all journeys are decided, and everything is in the other Jaeger", func() error {
		a := p.metrics(t).spans()
		received = a.received
		if elsewhere := storedBy(t, everything); a.pending != 0 || elsewhere != a.received {
			return fmt.Errorf("%+v, in the other Jaeger %d", a, elsewhere)
		}
		return nil
	})
	settled := p.settled(t, received)
	require.Zero(t, settled.lost)
	require.Equal(t, settled.kept, p.storedByJaeger(t), "Jaeger's count of spans stored, and ours of spans kept")

	classes := map[string]int{}
	for _, j := range journeys {
		t.Run(j.Journey+"/"+j.Class+"/"+j.TraceID, func(t *testing.T) { p.requireAsInTruth(t, j, everything) })
		classes[j.Journey+"/"+j.Class]++
	}
	t.Logf("%d spans received, %d kept, of %v", settled.received, settled.kept, classes)
	require.Len(t, classes, 7+2+1+1, "classes of checkout, order history, restock and gift card: %v", classes)
}

// storeEverythingElsewhere adds the overlay that sends all spans to a second
// Jaeger as well: what whole means, whatever our processor does.
func (p *parts) storeEverythingElsewhere(t *testing.T) *stack.Jaeger {
	t.Helper()
	everything := startJaeger(t, jaegerSpec(t, filepath.Join(p.dir, "jaeger-all")))
	p.configs = append(p.configs, filepath.Join(world.root, "deploy", "compare.yaml"))
	p.env["JAEGER_ALL_OTLP_ENDPOINT"] = everything.OTLPEndpoint
	p.env["ALL_LOGS_FILE"] = filepath.Join(p.dir, "all-logs.jsonl")
	return everything
}

// journeyTruth is one line of the shopper's truth file.
type journeyTruth struct {
	TraceID  string `json:"trace_id"`
	Journey  string `json:"journey"`
	Class    string `json:"class"`
	Outcome  string `json:"outcome"`
	MustKeep bool   `json:"must_keep"`
}

// requireAsInTruth compares a journey with the truth and with the Jaeger that
// stores everything.
func (p *parts) requireAsInTruth(t *testing.T, j journeyTruth, everything *stack.Jaeger) {
	t.Helper()
	all, err := lookUpIn(everything, j.TraceID)
	require.NoError(t, err)
	kept, err := p.lookUp(j.TraceID)
	if errors.Is(err, errNotStored) {
		require.False(t, j.MustKeep, "must be kept, but none of its %d spans is: %v", len(all), all.names())
		return
	}
	require.NoError(t, err)
	require.Equal(t, all.names(), kept.names(), "stored by the other Jaeger and by ours")
	require.ElementsMatch(t, slices.Collect(maps.Keys(all)), slices.Collect(maps.Keys(kept)), "span ids")

	root := kept.tagged("journey.outcome")
	require.Len(t, root, 1, "spans with journey.outcome")
	tags := root[0].tags
	require.Equal(t, j.Outcome, tags["journey.outcome"], "reason: %v", tags["journey.sampling.reason"])
	for _, span := range kept {
		require.Equal(t, j.Journey, span.tags["journey.name"])
	}
	if j.Journey == "checkout" && j.Class != "failed" && j.Class != "unroutable" {
		requireMail(t, kept)
	}
}

// requireMail asks for the hop to the service that is not instrumented.
func requireMail(t *testing.T, kept storedTrace) {
	t.Helper()
	mail := kept.named("rabbitmq", "deliver mailer-queue")
	require.Len(t, mail, 1, "spans: %v", kept.names())
	require.NotContains(t, kept.services(), "mailer")
	require.Positive(t, mail[0].tags["amqp.time_in_queue_ms"], "time in mailer-queue")
}

// startShop starts all services and returns their addresses by name.
func (p *parts) startShop(t *testing.T) map[string]string {
	t.Helper()
	addresses := map[string]string{}
	for _, svc := range services {
		addresses[svc.name] = address(world.ports.take(t))
	}
	for _, svc := range services {
		p.startService(t, svc, addresses)
	}
	return addresses
}

func (p *parts) startService(t *testing.T, svc service, addresses map[string]string) {
	t.Helper()
	health := addresses[svc.name]
	env := []string{
		"OTEL_SERVICE_NAME=" + svc.name,
		"OTEL_EXPORTER_OTLP_ENDPOINT=http://" + p.env["OTLP_GRPC_ENDPOINT"],
		"OTEL_BSP_SCHEDULE_DELAY=500",
	}
	if svc.address != "" {
		env = append(env, svc.address+"="+addresses[svc.name])
		health = address(world.ports.take(t))
	}
	env = append(env, svc.health+"="+health)
	for variable, other := range svc.asks {
		value := addresses[other]
		if other != "checkout" {
			value = "http://" + value
		}
		env = append(env, variable+"="+value)
	}
	if svc.rabbitmq {
		env = append(env, "RABBITMQ_URL="+p.brokerURL)
	}
	ctx, cancel := withTimeout(patience)
	defer cancel()
	process, err := stack.StartService(ctx, stack.ProcessSpec{
		Name: svc.name, Path: program(svc.name), Env: env, LogFile: filepath.Join(p.dir, svc.name+".log"),
	}, "http://"+health+"/readyz")
	require.NoError(t, err)
	t.Cleanup(func() {
		ctx, cancel := withTimeout(stopTimeout)
		defer cancel()
		require.NoError(t, process.Stop(ctx))
	})
}

// shop runs the shopper to its end and returns the truth about its journeys.
func (p *parts) shop(t *testing.T, addresses map[string]string) []journeyTruth {
	t.Helper()
	truth, log := filepath.Join(p.dir, "truth.jsonl"), filepath.Join(p.dir, "shopper.log")
	ctx, cancel := withTimeout(shopTime + 2*patience)
	defer cancel()
	shopper, err := stack.StartProcess(ctx, stack.ProcessSpec{
		Name: "shopper", Path: program("shopper"), LogFile: log,
		Env: []string{
			"GATEWAY_URL=http://" + addresses["gateway"], "STOCK_SERVICE_URL=http://" + addresses["stock"],
			"SHOPPER_RATE=" + shopRate, "SHOPPER_DURATION=" + shopTime.String(), "SHOPPER_TRUTH_FILE=" + truth,
			"SHOPPER_SHARES=" + shopShares, "SHOPPER_CHECKOUT_CLASSES=" + shopClasses, "SHOPPER_ORDER_HISTORY_CLASSES=failed=10",
		},
	})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, shopper.Kill()) })
	if err := shopper.Wait(ctx); err != nil {
		said, _ := stack.LogTail(log, logTail)
		t.Fatalf("shopper: %v\n%s", err, said)
	}
	return readTruth(t, truth)
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
