package journeysextension

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componentstatus"
	"go.opentelemetry.io/collector/config/confighttp"
	"go.opentelemetry.io/collector/extension"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.uber.org/zap"

	"github.com/otelcol-journey/otelcol-journey/extension/journeysextension/internal/metadata"
	"github.com/otelcol-journey/otelcol-journey/internal/journey"
	"github.com/otelcol-journey/otelcol-journey/internal/ownmetrics"
	"github.com/otelcol-journey/otelcol-journey/internal/reload"
)

// queuedReports is how many reports may wait to be added: those of a second
// from 64 shards. One that finds the queue full stays with its shard.
const queuedReports = 64

// journeysExtension shows what processors report.
type journeysExtension struct {
	id        component.ID
	config    *Config
	settings  component.TelemetrySettings
	telemetry *metadata.TelemetryBuilder
	history   *history
	reports   chan *journey.Aggregate
	attached  attached
	statuses  statuses
	snapshots snapshots

	// The rest belongs to Start and Shutdown, which the Collector calls one
	// after the other.
	server   *http.Server
	stopping chan struct{}
	wg       sync.WaitGroup
	once     sync.Once
	isReload func() bool
	now      func() time.Time
}

var (
	_ extension.Extension     = (*journeysExtension)(nil)
	_ journey.Reporter        = (*journeysExtension)(nil)
	_ componentstatus.Watcher = (*journeysExtension)(nil)
)

func newExtension(settings extension.Settings, config *Config, now func() time.Time) (*journeysExtension, error) {
	telemetry, err := metadata.NewTelemetryBuilder(ownmetrics.Of(settings.TelemetrySettings, component.KindExtension, settings.ID))
	if err != nil {
		return nil, err
	}
	x := &journeysExtension{
		id: settings.ID, isReload: reload.IsUnderWay, now: now, config: config, settings: settings.TelemetrySettings, telemetry: telemetry,
		history:  newHistory(config.Limits.forProcessors(), int64(config.Limits.MemoryMiB)<<20, now()),
		reports:  make(chan *journey.Aggregate, queuedReports),
		stopping: make(chan struct{}),
	}
	x.snapshots.interval = config.Interval
	x.snapshots.made = func() { telemetry.ExtensionJourneysSnapshots.Add(context.Background(), 1) }
	return x, x.observe()
}

// observe registers the gauges.
func (x *journeysExtension) observe() error {
	return errors.Join(
		x.telemetry.RegisterExtensionJourneysMemoryCallback(func(_ context.Context, o metric.Int64Observer) error {
			bytes, _ := x.history.size()
			o.Observe(bytes)
			return nil
		}),
		x.telemetry.RegisterExtensionJourneysNamesCallback(func(_ context.Context, o metric.Int64Observer) error {
			_, names := x.history.size()
			o.Observe(int64(names))
			return nil
		}),
	)
}

// Start takes over what the extension of this id before it has left, and begins
// to serve and to add reports.
func (x *journeysExtension) Start(ctx context.Context, host component.Host) error {
	if left := histories.Take(x.id); left != nil {
		x.history.inherit(left, x.now())
	}
	handler, err := x.newHandler()
	if err != nil {
		return err
	}
	server, err := x.config.ToServer(ctx, host.GetExtensions(), x.settings, handler, confighttp.WithErrorHandler(x.refuseEarly))
	if err != nil {
		return err
	}
	server.Handler = x.admit(server.Handler)
	listener, err := x.config.ToListener(ctx)
	if err != nil {
		return err
	}
	x.server = server
	x.settings.Logger.Info("Journeys are shown", zap.String("address", listener.Addr().String()))
	x.wg.Go(func() {
		if err := server.Serve(listener); err != nil && !errors.Is(err, http.ErrServerClosed) {
			componentstatus.ReportStatus(host, componentstatus.NewFatalErrorEvent(err))
		}
	})
	x.wg.Go(x.addReports)
	return nil
}

// Shutdown ends what is being answered when ctx ends, and waits for its
// goroutines; over a reload, history is left to the next extension of this id.
// Safe before Start and twice.
func (x *journeysExtension) Shutdown(ctx context.Context) error {
	var err error
	x.once.Do(func() {
		close(x.stopping)
		if x.server != nil {
			if err = x.server.Shutdown(ctx); err != nil {
				err = errors.Join(err, x.server.Close())
			}
		}
		x.wg.Wait()
		x.leave()
		x.telemetry.Shutdown()
	})
	return err
}

// addReports adds what is reported until the extension stops.
func (x *journeysExtension) addReports() {
	for {
		select {
		case report := <-x.reports:
			x.addReport(report, x.now())
		case <-x.stopping:
			return
		}
	}
}

func (x *journeysExtension) addReport(report *journey.Aggregate, now time.Time) {
	cuts := x.history.add(report, now)
	x.telemetry.ExtensionJourneysReports.Add(context.Background(), 1)
	for _, c := range []struct {
		limit string
		n     int64
	}{
		{"journeys", cuts.Journeys},
		{"services", cuts.Services},
		{"edges", cuts.Edges},
		{"paths", cuts.Paths},
		{"name_length", cuts.Names},
		{"memory", cuts.Memory},
	} {
		if c.n > 0 {
			x.reached(c.limit, c.n)
		}
	}
}

func (x *journeysExtension) reached(limit string, n int64) {
	x.telemetry.ExtensionJourneysLimitReached.Add(context.Background(), n, metric.WithAttributes(attribute.String("limit", limit)))
}

// Limits implements journey.Reporter.
func (x *journeysExtension) Limits() journey.Limits { return x.config.Limits.forProcessors() }

// Attach implements journey.Reporter.
func (x *journeysExtension) Attach(id string, p journey.Processor) (detach func()) {
	return x.attached.add(id, p)
}

// Report implements journey.Reporter.
func (x *journeysExtension) Report(a *journey.Aggregate) bool {
	select {
	case x.reports <- a:
		return true
	default:
		x.telemetry.ExtensionJourneysReportsDeferred.Add(context.Background(), 1)
		return false
	}
}
