package amqptracereceiver

import (
	"context"
	"errors"
	"time"

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
}

// run returns why the epoch ended; nil only after an orderly stop.
func (e *epoch) run() error {
	s, err := dial(e.pipeline.stopping, &e.cfg.Connection, e.endpoint)
	if err != nil {
		return err
	}
	defer s.close()
	defer e.countOversized(s)
	// A shutdown that has run out of time does not wait for the broker's answers.
	defer context.AfterFunc(e.pipeline.aborted, func() { _ = s.wire.Close() })()
	queue, err := s.declare(e.cfg.Queue, e.pipeline.source.bindings())
	if err != nil {
		return err
	}
	if e.caution == takeFirst {
		if err := e.takeFirst(s, queue); err != nil {
			return err
		}
	}
	quiet := silence{since: time.Now()}
	if e.pipeline.source.always() {
		quiet.limit = e.silenceLimit()
	}
	for {
		err := e.read(s, queue, &quiet)
		switch {
		case errors.Is(err, errHeldTooLong):
			e.pipeline.telemetry.ReceiverAmqpTraceRequeued.Add(context.Background(), 1)
			e.logger.Warn("messages go back to the queue", zap.Error(err), zap.String("queue", queue))
		case errors.Is(err, errResubscribe):
			e.caution = readNormally
		default:
			return err
		}
	}
}

func (e *epoch) silenceLimit() time.Duration {
	if set := e.cfg.Firehose.Get(); set != nil {
		return set.SilenceWarning
	}
	return defaultFirehose().SilenceWarning
}

// read is one subscription from its beginning to its end. What it leaves unsettled goes back to the queue.
func (e *epoch) read(s *session, queue string, quiet *silence) error {
	prefetch, ackEvery, calls := e.cfg.Consumer.Prefetch, e.cfg.Consumer.AckEvery, e.cfg.Consumer.Parallel
	if e.caution != readNormally {
		prefetch, ackEvery, calls = 1, 1, 1
	}
	sub, err := s.subscribe(queue, prefetch)
	if err != nil {
		return err
	}
	defer func() { _ = sub.channel.Close() }() // fails if the channel has gone already
	e.nowReading(queue)
	r := &reading{
		intake:      newIntake(e.pipeline, sub.channel, ackEvery*calls),
		sub:         sub,
		queue:       queue,
		logger:      e.logger,
		caution:     e.caution,
		ackInterval: e.cfg.Consumer.AckInterval,
		normalAfter: int64(e.cfg.Consumer.Prefetch),
		silence:     quiet,
		oversized:   func() { e.countOversized(s) },
	}
	r.calls = calls
	defer func() { e.handled += r.handled }()
	return r.run(e.pipeline.stopping)
}

func (e *epoch) nowReading(queue string) {
	e.pipeline.telemetry.ReceiverAmqpTraceConnected.Record(context.Background(), 1)
	e.logger.Info("reading from the broker", zap.Stringer("endpoint", e.endpoint),
		zap.String("queue", queue), zap.String("source", e.pipeline.source.name()))
	componentstatus.ReportStatus(e.host, componentstatus.NewEvent(componentstatus.StatusOK))
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
