package e2e

import (
	"context"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

// torn sends journeys in two parts, the second of which, with the failure that
// makes them worth keeping, comes two seconds after the first. A sampler that
// decides between the two drops the first part.
type torn struct {
	client ptraceotlp.GRPCClient
	stop   context.CancelFunc
	sender sync.WaitGroup

	begun atomic.Int64 // journeys
	sent  []*trace     // by the sender; by others once it has ended
}

// tornPause is shorter than completion::quiet of the published configuration.
const tornPause = 2 * time.Second

func (p *parts) startTorn(t *testing.T) *torn {
	t.Helper()
	conn, err := grpc.NewClient(p.env["OTLP_GRPC_ENDPOINT"], grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, conn.Close()) })
	ctx, stop := context.WithCancel(background())
	r := &torn{client: ptraceotlp.NewGRPCClient(conn), stop: stop}
	r.sender.Go(func() {
		ticker := time.NewTicker(sendInterval)
		defer ticker.Stop()
		for ctx.Err() == nil {
			<-ticker.C
			r.sendOne()
		}
	})
	t.Cleanup(func() { r.end() })
	return r
}

func (r *torn) sendOne() {
	journey := failedOrderHistory()
	r.sent = append(r.sent, journey)
	r.begun.Add(1)
	first, second := *journey, *journey
	first.spans, second.spans = journey.spans[:1], journey.spans[1:]
	r.export(together(&first))
	r.sender.Go(func() {
		timer := time.NewTimer(tornPause)
		defer timer.Stop()
		<-timer.C
		r.export(together(&second))
	})
}

// export tries for as long as a sender that loses nothing would.
func (r *torn) export(td ptrace.Traces) {
	request := ptraceotlp.NewExportRequestFromTraces(td)
	for begun := time.Now(); time.Since(begun) < patience; {
		ctx, cancel := withTimeout(patience)
		_, err := r.client.Export(ctx, request, grpc.WaitForReady(true))
		cancel()
		if err == nil {
			return
		}
	}
}

// end stops sending and returns what was sent.
func (r *torn) end() []*trace {
	r.stop()
	r.sender.Wait()
	return r.sent
}

// requireAllWhole goes on for a while and then wants every journey in Jaeger
// with all of its spans.
func (r *torn) requireAllWhole(t *testing.T, p *parts) {
	t.Helper()
	before := r.begun.Load()
	eventually(t, "journeys begun after the fault", func() error {
		if n := r.begun.Load() - before; n < 50 {
			return fmt.Errorf("%d", n)
		}
		return nil
	})
	for _, journey := range r.end() {
		p.stored(t, journey)
	}
}

func (p *parts) awaitPending(t *testing.T) {
	t.Helper()
	eventually(t, "journeys wait for their second part", func() error {
		if a := p.metrics(t).spans(); a.pending < 50 {
			return fmt.Errorf("%+v", a)
		}
		return nil
	})
}

func (p *parts) awaitInherited(t *testing.T) {
	t.Helper()
	eventually(t, "the new processor has taken over what waited", func() error {
		m, err := readMetrics(p.metricsURL())
		if err != nil {
			return err
		}
		if m.sum(journeyMetric("spans_inherited_total")) == 0 {
			return fmt.Errorf("inherited nothing: %+v", m.spans())
		}
		return nil
	})
}

func TestAReloadTearsNoJourney(t *testing.T) {
	t.Parallel()
	p := start(t)
	decided := failedOrderHistory()
	p.send(t, decided)
	p.stored(t, decided)
	r := p.startTorn(t)
	p.awaitPending(t)
	before := p.awaitShown(t, 1)
	require.NoError(t, p.collector.Signal(syscall.SIGHUP))
	p.awaitInherited(t)
	p.awaitReceiver(t)
	r.requireAllWhole(t, p)
	p.requireHistoryGoesOn(t, before, append(r.end(), decided))
}

// awaitShown returns what is shown once so many journeys are.
func (p *parts) awaitShown(t *testing.T, journeys int) *apiOverview {
	t.Helper()
	var shown apiOverview
	eventually(t, "all journeys are shown", func() error {
		if err := p.api("/api/v1/overview?window=1h", &shown); err != nil {
			return err
		}
		if shown.Journeys.Count < journeys {
			return fmt.Errorf("%+v", shown.Journeys)
		}
		return nil
	})
	return &shown
}

// requireHistoryGoesOn asks that the page has every journey of before and after
// the reload, each once.
func (p *parts) requireHistoryGoesOn(t *testing.T, before *apiOverview, sent []*trace) {
	t.Helper()
	after := p.awaitShown(t, len(sent))
	require.Equal(t, before.Window.From, after.Window.From, "the window begins where it did")
	require.Equal(t, apiJourneys{Count: len(sent), Errors: len(sent), Kept: len(sent)}, after.Journeys)
	require.Equal(t, apiVolume{sum(sent...), sum(sent...)}, after.Spans)
	require.Equal(t, len(sent), sumOf(after.Trend.Journeys))
	flow := p.journey(t, "order history").named()
	require.Equal(t, len(sent), flow["gateway -other-> orders"].Count, "%v", flow)
	var first apiLookup
	require.NoError(t, p.api("/api/v1/traces/"+sent[len(sent)-1].id.String(), &first))
	require.Equal(t, "kept", first.Status, "decided before the reload")
}

func TestAStopWithStorageTearsNoJourney(t *testing.T) {
	t.Parallel()
	p := newParts(t, world.broker.vhost(t))
	p.configs = append(p.configs, filepath.Join(world.root, "deploy", "storage.yaml"))
	p.env["STATE_DIRECTORY"] = filepath.Join(p.dir, "state")
	p.startCollector(t)
	r := p.startTorn(t)
	p.awaitPending(t)
	p.stopCollector(t)
	p.startCollector(t)
	p.awaitInherited(t)
	r.requireAllWhole(t, p)
}
