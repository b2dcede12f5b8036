package amqptracereceiver

import (
	"context"
	"errors"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componentstatus"
	"go.uber.org/zap"
)

// epoch is the life of one connection: dial, declare, consume until it ends.
type epoch struct {
	*tracesReceiver
	host     component.Host
	endpoint endpoint
	caution  caution // how to read; a reading that went well lowers it
	handled  int64   // deliveries settled
	quiet    silence
	// unwell is set while the component's status is that of an error, to be taken back once the
	// pipeline has taken a batch.
	unwell bool
}

// run returns why the epoch ended; nil only after an orderly stop.
func (e *epoch) run() error {
	s, err := dialOver(e.pipeline.stopping, &e.cfg.Connection, e.endpoint, e.open)
	if err != nil {
		return err
	}
	defer s.close()
	defer e.countOversized(s)
	// A shutdown that has run out of time does not wait for the broker's answers.
	defer context.AfterFunc(e.pipeline.aborted, s.cut)()
	if e.otlp != nil {
		return s.cause(e.readOTLP(s))
	}
	queue, err := e.prepare(s)
	if err != nil {
		return err
	}
	if e.caution == takeFirst {
		if err := e.takeFirst(s, queue); err != nil {
			return err
		}
	}
	g := e.gauge(s, queue)
	g.start(depthInterval)
	defer g.close()
	e.quiet = silence{since: time.Now()}
	if e.pipeline.source.always() {
		e.quiet.limit = e.silenceLimit()
	}
	return s.cause(e.readOn(s, queue, g))
}

// readOn reads, with one subscription after the other, as long as the connection is good. An
// exclusive queue ends with its connection, so what a new channel can cure is cured with one.
func (e *epoch) readOn(s *session, queue string, g *gauge) error {
	wait := newBackoff(e.cfg.Reconnect)
	for {
		before := e.handled
		err := e.read(s, queue, g)
		switch {
		case errors.Is(err, errHeldTooLong):
			e.gaveBack(err, queue)
		case errors.Is(err, errResubscribe):
			e.caution = readNormally
		case errors.Is(err, errChannelClosed):
			if e.handled > before {
				wait.Reset()
			}
			e.lost(err, wait.NextBackOff())
		default:
			return err
		}
	}
}

// prepare makes the queue ready that is to be read, and returns its name.
func (e *epoch) prepare(s *session) (string, error) {
	if set := e.cfg.Queue.Get(); set != nil {
		return set.Name, s.claim(*set)
	}
	queue, err := s.declare(e.cfg.OwnQueue, e.pipeline.source.bindings())
	if err == nil && e.management != nil {
		e.management.connected()
	}
	return queue, err
}

// gauge minds the limit of the own queue, and that a queue of the operator's stays ours alone.
func (e *epoch) gauge(s *session, queue string) *gauge {
	g := &gauge{session: s, queue: queue, telemetry: e.pipeline.telemetry, logger: e.logger}
	if set := e.cfg.Queue.Get(); set == nil {
		g.maxLength = e.cfg.OwnQueue.MaxLength
	} else if !set.Force {
		g.crowded = make(chan error, 1)
	}
	return g
}

// gaveBack reports that the pipeline has refused for so long that everything went back to the queue.
func (e *epoch) gaveBack(err error, queue string) {
	e.pipeline.telemetry.ReceiverAmqpTraceRequeued.Add(context.Background(), 1)
	e.logger.Warn("messages go back to the queue", zap.Error(err), zap.String("queue", queue))
	componentstatus.ReportStatus(e.host, statusOf(err, e.endpoint))
	e.unwell = true
}

// lost reports the end of a channel and waits before the next one. A stop ends the wait; the next
// reading then finds it.
func (e *epoch) lost(err error, pause time.Duration) {
	e.pipeline.telemetry.ReceiverAmqpTraceConnected.Record(context.Background(), 0)
	e.pipeline.telemetry.reconnect(context.Background(), reconnectReason(err))
	e.logger.Warn("reading goes on with a new channel", zap.Error(err), zap.Stringer("endpoint", e.endpoint), zap.Duration("again_in", pause))
	componentstatus.ReportStatus(e.host, statusOf(err, e.endpoint))
	sleep(e.pipeline.stopping, pause)
}

func (e *epoch) silenceLimit() time.Duration {
	if set := e.cfg.Firehose.Get(); set != nil {
		return set.SilenceWarning
	}
	return defaultFirehose().SilenceWarning
}

// read is one subscription from its beginning to its end. What it leaves unsettled goes back to the queue.
func (e *epoch) read(s *session, queue string, g *gauge) error {
	prefetch, ackEvery, calls := e.cfg.Consumer.Prefetch, e.cfg.Consumer.AckEvery, e.cfg.Consumer.Parallel
	if e.caution != readNormally {
		prefetch, ackEvery, calls = 1, 1, 1
	}
	sub, err := s.subscribe(queue, prefetch)
	if err != nil {
		return err
	}
	defer sub.close()
	e.nowReading(queue)
	r := &reading{
		intake:      newIntake(e.pipeline, sub.channel, ackEvery*calls),
		sub:         sub,
		logger:      e.logger,
		caution:     e.caution,
		ackInterval: e.cfg.Consumer.AckInterval,
		normalAfter: int64(e.cfg.Consumer.Prefetch),
		silence:     &e.quiet,
		depths:      g.depths,
		crowded:     g.crowded,
		oversized:   func() { e.countOversized(s) },
	}
	r.calls = calls
	r.waiting, r.deep = s.waiting.Load, int64(e.cfg.Consumer.Prefetch)
	r.hold = newHold(time.Now(), prefetch)
	r.gone, r.giveBack, r.onSettled = sub.gone, sub.close, e.nowWell
	err = r.run(e.pipeline.stopping)
	e.handled += r.handled
	if errors.Is(err, errGone) || errors.Is(err, amqp.ErrClosed) {
		return sub.cause() // where it showed first says little
	}
	return err
}

func (e *epoch) nowReading(queue string) {
	e.pipeline.telemetry.ReceiverAmqpTraceConnected.Record(context.Background(), 1)
	e.logger.Info("reading from the broker", zap.Stringer("endpoint", e.endpoint),
		zap.String("queue", queue), zap.String("source", e.pipeline.source.name()))
	if !e.unwell {
		componentstatus.ReportStatus(e.host, componentstatus.NewEvent(componentstatus.StatusOK))
	}
}

// nowWell takes the status of an error back: the pipeline has taken a batch.
func (e *epoch) nowWell() {
	if e.unwell {
		e.unwell = false
		componentstatus.ReportStatus(e.host, componentstatus.NewEvent(componentstatus.StatusOK))
	}
}

// takeFirst handles the message that was taken off the queue, if it could be read after all.
func (e *epoch) takeFirst(s *session, queue string) error {
	d, ok, err := s.takeFirst(queue)
	if err != nil {
		return err
	}
	e.caution = readSingly
	if !ok {
		return nil
	}
	in := newIntake(e.pipeline, settledAlready{}, 1)
	in.take(&d, time.Now())
	err = in.settle()
	e.handled += in.handled
	return err
}

// settledAlready acknowledges messages that were taken without the need for it.
type settledAlready struct{}

func (settledAlready) Ack(uint64, bool) error        { return nil }
func (settledAlready) Nack(uint64, bool, bool) error { return nil }
func (settledAlready) Reject(uint64, bool) error     { return nil }

func (e *epoch) countOversized(s *session) {
	if n := s.wire.oversized.Swap(0); n > 0 {
		e.pipeline.telemetry.ReceiverAmqpTraceOversizedFrames.Add(context.Background(), n)
	}
}
