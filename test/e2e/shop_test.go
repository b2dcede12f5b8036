package e2e

import (
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/otelcol-journey/otelcol-journey/internal/stack"
)

const (
	shopTime = 15 * time.Second
	shopRate = "10" // journeys a second
	// Every class occurs some times in 150 journeys.
	shopShares  = "checkout=60,order_history=25,restock=10,gift_card=5"
	shopClasses = "failed=5,slow=5,retried=5,dead_lettered=5,unroutable=5,lost=5"
)

func TestEveryJourneyOfTheShopThatHasToBeKeptIsInJaegerWhole(t *testing.T) {
	t.Parallel()
	vhost := world.broker.vhost(t)
	if world.broker.isForeign() {
		t.Skip("the shop's queues stay where it has declared them: not in a broker of AMQP_URL")
	}
	p := newParts(t, vhost)
	everything := p.storeEverythingElsewhere(t)
	recording := p.record(t)
	p.startCollector(t)
	journeys := p.startShop(t).startShopper(t, "shopper", shopTime, nil).asPlanned(t)

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
	t.Run("as planned", func(t *testing.T) { p.requireAsPlanned(t, recording, settled, journeys) })
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
	mail := kept.ofBroker("deliver mailer-queue")
	require.Len(t, mail, 1, "spans: %v", kept.names())
	require.NotContains(t, kept.services(), "mailer")
	require.Positive(t, mail[0].tags["amqp.time_in_queue_ms"], "time in mailer-queue")
}

// What is under way when a part is killed may take another way than planned.
// What counts is that all goes on afterwards, without anybody's help, and that
// no span has gone missing in the collector.
func TestShopAndCollectorRecoverWhenPartsAreKilledUnderTraffic(t *testing.T) {
	t.Parallel()
	broker := ownBroker(t)
	p := startOn(t, broker.URL)
	s := p.startShop(t)
	s.startShopper(t, "disturbed", time.Hour, map[string]string{"SHOPPER_RATE": "5"})
	p.awaitKept(t)

	stock := s.running["stock"]
	require.NoError(t, stock.Kill())
	s.run(t, stock.Spec())
	ctx, cancel := withTimeout(startTimeout)
	defer cancel()
	require.NoError(t, broker.Restart(ctx))
	require.NoError(t, p.jaeger.Kill())
	p.restartJaeger(t)

	s.awaitReady(t)
	p.awaitReceiver(t)
	for _, j := range s.startShopper(t, "afterwards", 5*time.Second, nil).asPlanned(t) {
		if j.MustKeep {
			eventually(t, "a journey after the restarts is in Jaeger: "+j.Journey+" "+j.Class, func() error {
				_, err := p.lookUp(j.TraceID)
				return err
			})
		}
	}
	s.stop(t)
	eventually(t, "the counters are at rest and account for every span", func() error {
		a := p.metrics(t).spans()
		if a.lost != 0 || a.received != a.kept+a.dropped+a.pending {
			return fmt.Errorf("%+v", a)
		}
		return nil
	})
}

// awaitKept returns when the first spans have gone all the way.
func (p *parts) awaitKept(t *testing.T) {
	t.Helper()
	eventually(t, "spans are kept", func() error {
		if a := p.metrics(t).spans(); a.kept == 0 {
			return fmt.Errorf("%+v", a)
		}
		return nil
	})
}
