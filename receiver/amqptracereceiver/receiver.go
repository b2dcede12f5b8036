package amqptracereceiver

import (
	"context"
	"sync"

	amqp "github.com/rabbitmq/amqp091-go"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/receiver"
	"go.uber.org/zap"
)

type tracesReceiver struct {
	cfg    *Config
	next   consumer.Traces
	logger *zap.Logger
	stop   context.CancelFunc
	wg     sync.WaitGroup
}

func newTracesReceiver(set receiver.Settings, cfg *Config, next consumer.Traces) (*tracesReceiver, error) {
	return &tracesReceiver{cfg: cfg, next: next, logger: set.Logger}, nil
}

// Start connects in the background.
func (r *tracesReceiver) Start(context.Context, component.Host) error {
	ctx, stop := context.WithCancel(context.Background())
	r.stop = stop
	r.wg.Go(func() {
		conn, err := amqp.DialConfig(r.cfg.Connection.Endpoints[0], amqp.Config{})
		if err != nil {
			r.logger.Warn("connect", zap.Error(err))
			return
		}
		<-ctx.Done()
		_ = conn.Close()
	})
	return nil
}

// Shutdown ends the connection.
func (r *tracesReceiver) Shutdown(context.Context) error {
	if r.stop != nil {
		r.stop()
	}
	r.wg.Wait()
	return nil
}
