package amqptracereceiver

import (
	"context"
	"fmt"
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.uber.org/zap"
)

// depthInterval is how often the broker is asked how many messages wait in a queue.
const depthInterval = 10 * time.Second

// gauge asks the broker for the depth of a queue that is read, on a channel and in a goroutine of its own:
// the answer matters most while the run loop waits for a pipeline that takes nothing. Its failure
// never disturbs the reading; that the queue is gone shows there by itself.
type gauge struct {
	session   *session
	queue     string
	maxLength int // 0: not known
	telemetry *telemetry
	logger    *zap.Logger
	// attributes tell the queues of one receiver apart; empty if it has only one.
	attributes attribute.Set
	// depths has the latest answer, for the run loop; room for one, an older one is replaced.
	depths chan int
	full   bool // the queue has been reported as full
	// crowded is told that others have begun to consume from a queue that has to be ours alone; nil if
	// it has not.
	crowded chan error

	stop context.CancelFunc
	wg   sync.WaitGroup
}

// start begins to ask, until close.
func (g *gauge) start(every time.Duration) {
	ctx, cancel := context.WithCancel(context.Background())
	g.stop, g.depths = cancel, make(chan int, 1)
	g.wg.Go(func() {
		if err := g.run(ctx, every); err != nil {
			g.logger.Debug("the queue's depth is no longer known", zap.String("queue", g.queue), zap.Error(err))
		}
	})
}

// close ends the asking and waits for it.
func (g *gauge) close() {
	g.stop()
	g.wg.Wait()
}

// run returns the error of the first question without an answer, and nil when ctx has ended.
func (g *gauge) run(ctx context.Context, every time.Duration) error {
	tick := time.NewTicker(every)
	defer tick.Stop()
	var channel *amqp.Channel
	for {
		select {
		case <-ctx.Done():
			if channel != nil {
				g.session.closeChannel(channel)
			}
			return nil
		case <-tick.C:
		}
		var err error
		if channel == nil {
			channel, err = g.session.channel()
		}
		if err == nil {
			err = g.ask(channel)
		}
		if err != nil {
			return err
		}
	}
}

func (g *gauge) ask(channel *amqp.Channel) error {
	var queue amqp.Queue
	err := g.session.request(func() (err error) {
		queue, err = channel.QueueDeclarePassive(g.queue, false, false, false, false, nil)
		return err
	})
	if err != nil {
		return err
	}
	g.telemetry.ReceiverAmqpTraceQueueDepth.Record(context.Background(), int64(queue.Messages), metric.WithAttributeSet(g.attributes))
	g.session.waiting.Store(int64(queue.Messages))
	g.mindTheLimit(queue.Messages)
	g.mindOthers(queue.Consumers)
	select {
	case <-g.depths:
	default:
	}
	g.depths <- queue.Messages
	return nil
}

// mindOthers says once that the own consumer is no longer the only one.
func (g *gauge) mindOthers(consumers int) {
	if g.crowded == nil || consumers < 2 {
		return
	}
	select {
	case g.crowded <- fmt.Errorf("read queue %q with %d consumers: %w", g.queue, consumers, errShared):
	default: // has been told
	}
}

// mindTheLimit says once that messages are being lost, and again only after the queue was half empty.
func (g *gauge) mindTheLimit(depth int) {
	switch {
	case g.maxLength > 0 && depth >= g.maxLength && !g.full:
		g.full = true
		g.logger.Warn("the own queue is full: the broker drops its oldest messages, and their spans are lost",
			zap.String("queue", g.queue), zap.Int("max_length", g.maxLength))
	case depth < g.maxLength/2:
		g.full = false
	}
}
