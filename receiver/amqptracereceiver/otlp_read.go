package amqptracereceiver

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"go.opentelemetry.io/collector/component/componentstatus"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.uber.org/zap"
)

// readOTLP reads the queue of each signal on a channel of its own until the connection, or one of the
// channels, comes to its end. It returns nil only after an orderly stop.
func (e *epoch) readOTLP(s *session) error {
	s.wire.keepPayloads(e.cfg.OTLP.Get().MaxBodyBytes)
	if err := s.declareOTLP(*e.otlp); err != nil {
		return err
	}
	reading, end := context.WithCancelCause(e.pipeline.stopping)
	defer end(nil)
	// Nothing that comes from a lost connection can be acknowledged; it will be delivered again.
	lost := s.conn.NotifyClose(make(chan *amqp.Error, 1))
	e.wg.Go(func() { // ends with the connection, which the epoch closes
		if err, ok := <-lost; ok {
			end(fmt.Errorf("connection closed: %w", err))
		}
	})
	var handled atomic.Int64
	var lines sync.WaitGroup
	for _, signal := range e.otlp.signals() {
		l := &line{signal: signal, epoch: e, handled: &handled}
		lines.Go(func() {
			if err := l.read(reading, s); err != nil {
				end(err)
			}
		})
	}
	lines.Wait()
	e.handled += handled.Load()
	if err := context.Cause(reading); e.pipeline.stopping.Err() == nil {
		return err
	}
	return nil
}

// declareOTLP makes the queues that are missing, if that is asked for. Their dead-letter exchange must
// exist: the broker would drop in silence what it cannot dead-letter.
func (s *session) declareOTLP(o otlp) error {
	cfg := o.cfg.Declare.Get()
	if cfg == nil {
		return nil
	}
	channel, err := s.channel()
	if err != nil {
		return err
	}
	arguments := amqp.Table{amqp.QueueTypeArg: cfg.Type}
	if cfg.DeadLetterExchange != "" {
		err := s.request(func() error {
			return channel.ExchangeDeclarePassive(cfg.DeadLetterExchange, "", false, false, false, false, nil)
		})
		if err != nil {
			return fmt.Errorf("look at exchange %q for dead letters: %w", cfg.DeadLetterExchange, err)
		}
		arguments["x-dead-letter-exchange"] = cfg.DeadLetterExchange
		if cfg.DeadLetterRoutingKey != "" {
			arguments["x-dead-letter-routing-key"] = cfg.DeadLetterRoutingKey
		}
	}
	for _, signal := range o.signals() {
		err := s.request(func() error {
			_, err := channel.QueueDeclare(signal.queue, true, false, false, false, arguments)
			return err
		})
		if err != nil {
			return fmt.Errorf("declare queue %q: %w", signal.queue, err)
		}
	}
	s.closeChannel(channel)
	return nil
}

// line reads the queue of one signal, one payload after the other, and settles each by itself:
//
//	accepted by the pipeline       acknowledged
//	too large, malformed           rejected: to the queue's dead-letter exchange if it has one
//	refused for good               rejected
//	refused for the moment         held, offered again with backoff; after max_hold back to the queue
//	stopping, connection lost      left unsettled: back to the queue
type line struct {
	signal
	*epoch
	handled *atomic.Int64

	sub  *subscription
	hold hold
	// stuck is set while the component's status is that of an error, until a payload is accepted.
	stuck bool
}

// read subscribes, again and again if payloads had to go back to the queue.
func (l *line) read(reading context.Context, s *session) error {
	for reading.Err() == nil {
		err := l.readOnce(reading, s)
		switch {
		case errors.Is(err, errStopping):
			return nil
		case !errors.Is(err, errHeldTooLong):
			return err
		}
		l.pipeline.telemetry.ReceiverAmqpTraceRequeued.Add(context.Background(), 1)
		l.logger.Warn("payloads go back to the queue", zap.Error(err), zap.String("queue", l.queue))
		componentstatus.ReportStatus(l.host, statusOf(err, l.endpoint))
		l.stuck = true
	}
	return nil
}

func (l *line) readOnce(reading context.Context, s *session) (err error) {
	if l.sub, err = s.subscribe(l.queue, l.otlp.cfg.Prefetch); err != nil {
		return err
	}
	defer l.sub.close()
	defer l.measure(s).close()
	l.hold = newHold(time.Now(), l.otlp.cfg.Prefetch)
	l.nowReading(l.queue)
	for lastTag := uint64(0); ; {
		if len(l.sub.deliveries) == 0 {
			l.hold.drained(time.Now(), lastTag)
		}
		select {
		case d, open := <-l.sub.deliveries:
			if !open {
				return l.sub.cause()
			}
			if err := l.settle(reading, &d); err != nil {
				return err
			}
			lastTag = d.DeliveryTag
		case <-reading.Done():
			return nil
		}
	}
}

// measure begins to ask for the queue's depth, for the metric only.
func (l *line) measure(s *session) *gauge {
	g := &gauge{
		session: s, queue: l.queue, telemetry: l.pipeline.telemetry, logger: l.logger,
		attributes: attribute.NewSet(attribute.String("signal", l.name)),
	}
	g.start(depthInterval)
	return g
}

// settle decides the fate of one delivery. An error leaves it, and all that came after it, to the queue.
func (l *line) settle(reading context.Context, d *amqp.Delivery) error {
	ctx, t := context.Background(), l.pipeline.telemetry
	t.heard(time.Now())
	if d.Redelivered {
		t.ReceiverAmqpTraceRedelivered.Add(ctx, 1)
	}
	signal := attribute.String("signal", l.name)
	err := l.take(reading, d)
	switch {
	case errors.Is(err, errHeldTooLong) || errors.Is(err, errStopping):
		return err
	case err != nil:
		t.ReceiverAmqpTraceRejectedPayloads.Add(ctx, 1, metric.WithAttributes(signal, attribute.String("cause", rejectCause(err))))
		l.logger.Warn("reject a payload", zap.Error(err), zap.String("queue", l.queue), zap.Int("bytes", len(d.Body)))
		err = l.sub.channel.Reject(d.DeliveryTag, false)
	default:
		t.ReceiverAmqpTracePayloads.Add(ctx, 1, metric.WithAttributes(signal))
		l.unstuck()
		err = l.sub.channel.Ack(d.DeliveryTag, false)
	}
	if err != nil {
		return fmt.Errorf("settle a payload of queue %q: %w", l.queue, err)
	}
	l.handled.Add(1)
	l.hold.settled(time.Now(), d.DeliveryTag)
	return nil
}

// unstuck takes the status of an error back.
func (l *line) unstuck() {
	if l.stuck {
		l.stuck = false
		componentstatus.ReportStatus(l.host, componentstatus.NewEvent(componentstatus.StatusOK))
	}
}

// take hands one payload over. What it says of a body never quotes it.
func (l *line) take(reading context.Context, d *amqp.Delivery) error {
	plain, err := body(d, l.otlp.cfg.MaxBodyBytes)
	if err != nil {
		return err
	}
	format := l.otlp.formats.of(d.ContentType, plain)
	payload, err := l.decode(format, plain)
	if err != nil {
		return fmt.Errorf("%w: %s of %s", errMalformedPayload, l.name, format.name) // err may quote the body
	}
	if payload.items == 0 && format.own() {
		// Logs in the queue for traces, say: without this they would be gone in silence.
		return fmt.Errorf("%w: no %s in it", errEmptyPayload, l.name)
	}
	ctx := l.begin(l.pipeline.aborted)
	answer, final := l.offer(reading, ctx, payload, func() batch {
		again, _ := l.decode(format, plain) // has worked before
		return again
	})
	l.end(ctx, format.name, payload.items, answer)
	return final
}

// offer hands a payload over until the pipeline has given a final answer, or there is no more time. It
// returns the last answer, and what is to become of the delivery.
func (l *line) offer(reading, ctx context.Context, payload batch, again func() batch) (answer, final error) {
	wait := newBackoff(l.pipeline.retry)
	for {
		answer = payload.handOver(ctx)
		if answer == nil {
			return nil, nil
		}
		if errors.Is(finalAnswer(answer), errRefused) {
			return answer, errPermanentlyDenied
		}
		pause := wait.NextBackOff()
		if time.Since(l.hold.since)+pause > l.pipeline.maxHold {
			return answer, errHeldTooLong
		}
		if !sleep(reading, pause) {
			return answer, errStopping
		}
		l.pipeline.telemetry.ReceiverAmqpTraceRetries.Add(ctx, 1)
		payload = again()
	}
}
