package amqptracereceiver

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componentstatus"
	"go.opentelemetry.io/collector/config/configoptional"
	"go.opentelemetry.io/collector/config/configtls"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/receiver"
	"go.opentelemetry.io/collector/receiver/receiverhelper"
	"go.uber.org/zap"

	"github.com/otelcol-journey/otelcol-journey/internal/ownmetrics"
	"github.com/otelcol-journey/otelcol-journey/receiver/amqptracereceiver/internal/metadata"
)

// tracesReceiver supervises one run loop: connect, declare, consume, and again from the start
// whenever that ends. It never gives up; a broker that is down is a state, not an error of Start.
type tracesReceiver struct {
	cfg      *Config
	logger   *zap.Logger
	pipeline *pipeline
	// otlp is nil unless that is the mode; management, unless it is to be asked.
	otlp       *otlp
	management *management
	open       openSocket // net.Dialer's but in tests

	stop  context.CancelFunc // no new deliveries, settle what is here
	abort context.CancelFunc // end calls into the pipeline and the broker as well
	wg    sync.WaitGroup
}

func newTracesReceiver(set receiver.Settings, cfg *Config, next consumer.Traces) (*tracesReceiver, error) {
	obs, err := receiverhelper.NewObsReport(receiverhelper.ObsReportSettings{
		ReceiverID: set.ID, Transport: "amqp", ReceiverCreateSettings: set, LongLivedCtx: true,
	})
	if err != nil {
		return nil, err
	}
	builder, err := metadata.NewTelemetryBuilder(ownmetrics.Of(set.TelemetrySettings, component.KindReceiver, set.ID))
	if err != nil {
		return nil, err
	}
	counts, err := newTelemetry(builder, time.Now())
	if err != nil {
		return nil, err
	}
	dec := newDecoder(cfg)
	r := &tracesReceiver{cfg: cfg, logger: set.Logger, open: (&net.Dialer{}).DialContext}
	r.pipeline = &pipeline{
		logger:    set.Logger,
		source:    newSource(cfg, dec),
		headers:   newHeaderReader(max(cfg.Limits.MaxHeaderValue, maxBaggageText)),
		decoder:   dec,
		clock:     &clock{pairs: newPairs(cfg.Limits)},
		builder:   newSpanBuilder(cfg.Spans, cfg.Attributes),
		next:      next,
		obs:       obs,
		telemetry: counts,
		retry:     cfg.ErrorBackoff,
		maxHold:   cfg.Limits.MaxHold,
	}
	if c := cfg.OTLP.Get(); c != nil {
		r.otlp = &otlp{cfg: *c, obs: obs, traces: next, formats: formats{encoding: c.Encoding}}
	}
	if api := cfg.management(); api != nil {
		r.management = newManagement(*api, cfg.Connection.VHost, set.Logger, builder)
		if api.ConnectionNames {
			dec.names = r.management
		}
	}
	r.pipeline.stopping, r.stop = context.WithCancel(context.Background())
	r.pipeline.aborted, r.abort = context.WithCancel(context.Background())
	return r, nil
}

// Start begins to connect and returns. Whether a broker answers shows in the component's status.
func (r *tracesReceiver) Start(_ context.Context, host component.Host) error {
	endpoints := make([]endpoint, len(r.cfg.Connection.Endpoints))
	for i, text := range r.cfg.Connection.Endpoints {
		e, err := parseEndpoint(text)
		if err != nil {
			return fmt.Errorf("connection::endpoints[%d] %w", i, err)
		}
		if !e.tls && !e.loopback() {
			r.logger.Warn("the password crosses the network unencrypted: use amqps", zap.Stringer("endpoint", e))
		}
		endpoints[i] = e
	}
	r.mindUnverified()
	if r.otlp != nil {
		if err := r.otlp.start(host); err != nil {
			return err
		}
	}
	if r.management != nil {
		if err := r.management.start(r.pipeline.stopping, &r.wg); err != nil {
			return err
		}
	}
	r.wg.Go(func() { r.run(host, endpoints) })
	return nil
}

// mindUnverified says whose certificates nobody will look at: without that TLS hides nothing from whoever
// gets in between, the password least of all.
func (r *tracesReceiver) mindUnverified() {
	const warning = "certificates are not verified: anybody in between can pose as the other side and read all, the password as well"
	if unverified(r.cfg.Connection.TLS) {
		r.logger.Warn(warning, zap.String("setting", "connection::tls::insecure_skip_verify"))
	}
	if api := r.cfg.management(); api != nil && unverified(api.TLS) {
		r.logger.Warn(warning, zap.String("setting", "firehose::management::tls::insecure_skip_verify"))
	}
}

func unverified(settings configoptional.Optional[configtls.ClientConfig]) bool {
	set := settings.Get()
	return set != nil && set.InsecureSkipVerify && !set.Insecure
}

// Shutdown stops reading, hands over and settles what is here, and closes the connection. If ctx
// ends first it cuts everything off; what is unsettled then stays with the broker.
func (r *tracesReceiver) Shutdown(ctx context.Context) error {
	r.stop()
	defer r.abort()
	done := make(chan struct{})
	go func() {
		r.wg.Wait()
		close(done)
	}()
	select {
	case <-done:
		r.pipeline.telemetry.Shutdown()
		return nil
	case <-ctx.Done():
		return fmt.Errorf("stop reading: %w", ctx.Err())
	}
}

// run goes through epochs: one connection each, with everything that belongs to it.
func (r *tracesReceiver) run(host component.Host, endpoints []endpoint) {
	wait := newBackoff(r.cfg.Reconnect)
	caution, refusals := readNormally, 0
	for attempt := 0; ; attempt++ {
		e := epoch{tracesReceiver: r, host: host, endpoint: endpoints[attempt%len(endpoints)], caution: caution}
		began := time.Now()
		err := e.run()
		r.pipeline.telemetry.ReceiverAmqpTraceConnected.Record(context.Background(), 0)
		if r.pipeline.stopping.Err() != nil {
			r.logIfLeftBehind(err)
			return
		}
		if e.handled > 0 || time.Since(began) > r.cfg.Reconnect.MaxInterval {
			wait.Reset()
		}
		caution = e.caution.after(err, e.handled, r.cfg.keepsMessages())
		pause := wait.NextBackOff()
		if refusals = countRefusals(refusals, err); refusals > len(endpoints) {
			pause = jittered(r.cfg.Reconnect.MaxInterval)
		}
		if !r.pauseAfter(host, e.endpoint, err, pause) {
			return
		}
	}
}

// countRefusals counts ends in a row that only an operator can heal. One alone may be a broker that
// is still starting, and another endpoint may be better, so it takes one more than there are
// endpoints to slow down.
func countRefusals(before int, end error) int {
	if needsOperator(end) {
		return before + 1
	}
	return 0
}

func jittered(d time.Duration) time.Duration {
	return newBackoff(BackoffConfig{InitialInterval: d, MaxInterval: d}).NextBackOff()
}

// pauseAfter reports the end of an epoch and waits before the next one; false means stop.
func (r *tracesReceiver) pauseAfter(host component.Host, at endpoint, err error, pause time.Duration) bool {
	if errors.Is(err, errTookUnreadable) {
		r.pipeline.telemetry.ReceiverAmqpTracePoisonDiscarded.Add(context.Background(), 1)
	}
	if errors.Is(err, errCancelled) {
		r.pipeline.telemetry.ReceiverAmqpTraceConsumerCancels.Add(context.Background(), 1)
	}
	r.pipeline.telemetry.reconnect(context.Background(), reconnectReason(err))
	r.logger.Warn("not reading from the broker", zap.Error(err), zap.Stringer("endpoint", at), zap.Duration("again_in", pause))
	componentstatus.ReportStatus(host, statusOf(err, at))
	return sleep(r.pipeline.stopping, pause)
}

func (r *tracesReceiver) logIfLeftBehind(err error) {
	if err != nil {
		r.logger.Warn("stopped with messages unsettled; the broker keeps those of a durable queue", zap.Error(err))
	}
}
