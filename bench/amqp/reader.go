package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/pprof"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/config/configoptional"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/receiver/receivertest"

	"github.com/otelcol-journey/otelcol-journey/receiver/amqptracereceiver"
)

// readerCommand is the child's first argument.
const readerCommand = "read"

// The consumers that are compared.
const (
	bare     = "bare"
	receiver = "amqp_trace"
)

// used is what a reader has used, from before it connects until all is acknowledged.
type used struct {
	CPUSeconds  float64 `json:"cpu_seconds"`
	Seconds     float64 `json:"seconds"`
	Messages    int64   `json:"messages"`
	Spans       int64   `json:"spans"`
	Allocations uint64  `json:"allocations"`
	AllocBytes  uint64  `json:"allocated_bytes"`
}

// job is what the child is asked to do.
type job struct {
	url, queue, consumer, profile string
	tap                           string
	events                        string
	// messages is how many to read; 0 is for as long as it lives.
	messages int64
}

// read is the child. Both consumers have the receiver's default prefetch and acknowledge 100 messages at once.
func read(ctx context.Context, args []string, out io.Writer) error {
	j := &job{}
	flags := flag.NewFlagSet(readerCommand, flag.ContinueOnError)
	flags.StringVar(&j.url, "url", "", "broker")
	flags.StringVar(&j.queue, "queue", "otel.bench", "queue to read")
	flags.StringVar(&j.consumer, "consumer", receiver, "who reads")
	flags.StringVar(&j.profile, "profile", "", "where to write a CPU profile")
	flags.StringVar(&j.tap, "tap", "", "fanout exchange to tap instead of reading the firehose")
	flags.StringVar(&j.events, "events", "publish,deliver", "of the firehose")
	flags.Int64Var(&j.messages, "messages", 0, "how many to read; 0 is for as long as it lives")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if j.profile != "" {
		f, err := os.Create(j.profile)
		if err != nil {
			return fmt.Errorf("create profile: %w", err)
		}
		defer f.Close()
		if err := pprof.StartCPUProfile(f); err != nil {
			return fmt.Errorf("profile: %w", err)
		}
		defer pprof.StopCPUProfile()
	}
	u, err := j.measured(ctx)
	if err != nil {
		return err
	}
	return json.NewEncoder(out).Encode(u)
}

func (j *job) measured(ctx context.Context) (*used, error) {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	begun, cpu := time.Now(), cpuTime()
	u := &used{Messages: j.messages}
	var err error
	if j.consumer == bare {
		err = j.readBare()
	} else {
		u.Spans, err = j.readSpans(ctx)
	}
	u.CPUSeconds, u.Seconds = (cpuTime() - cpu).Seconds(), time.Since(begun).Seconds()
	runtime.ReadMemStats(&after)
	u.Allocations, u.AllocBytes = after.Mallocs-before.Mallocs, after.TotalAlloc-before.TotalAlloc
	return u, err
}

func cpuTime() time.Duration {
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		return 0 // is impossible: the arguments are right
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

// readBare is the least that a consumer of the AMQP client can do.
func (j *job) readBare() (err error) {
	conn, err := amqp.Dial(j.url)
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	ch, err := conn.Channel()
	if err != nil {
		return fmt.Errorf("open channel: %w", err)
	}
	defaults := defaultConfig().Consumer
	if err := ch.Qos(defaults.Prefetch, 0, false); err != nil {
		return fmt.Errorf("set prefetch: %w", err)
	}
	deliveries, err := ch.Consume(j.queue, "", false, false, false, false, nil)
	if err != nil {
		return fmt.Errorf("consume: %w", err)
	}
	for n := int64(1); n <= j.messages; n++ {
		d, open := <-deliveries
		if !open {
			return errors.New("the channel was closed")
		}
		if n%int64(defaults.AckEvery) == 0 || n == j.messages {
			if err := d.Ack(true); err != nil {
				return fmt.Errorf("acknowledge: %w", err)
			}
		}
	}
	return nil
}

func defaultConfig() *amqptracereceiver.Config {
	return amqptracereceiver.NewFactory().CreateDefaultConfig().(*amqptracereceiver.Config)
}

// config is the default one with a durable queue that holds everything.
func (j *job) config() (*amqptracereceiver.Config, error) {
	uri, err := amqp.ParseURI(j.url)
	if err != nil {
		return nil, fmt.Errorf("parse the broker's address: %w", err)
	}
	cfg := defaultConfig()
	cfg.Connection.Endpoints = []string{fmt.Sprintf("%s://%s:%d", uri.Scheme, uri.Host, uri.Port)}
	cfg.OwnQueue.Name, cfg.OwnQueue.Durable = j.queue, true
	cfg.OwnQueue.MaxLength, cfg.OwnQueue.MaxLengthBytes = 10_000_000, 16<<30
	if j.tap != "" {
		cfg.Tap = []amqptracereceiver.TapConfig{{Exchange: j.tap, Type: "fanout"}}
		return cfg, nil
	}
	// Only what the application of traffic.go does: a reader of "#" would see nothing else either.
	cfg.Firehose = configoptional.Some(amqptracereceiver.FirehoseConfig{
		Events: strings.Split(j.events, ","), Exchanges: []string{"#"}, Queues: []string{"#"},
	})
	return cfg, nil
}

// readSpans runs the receiver in front of a consumer that counts. Its Shutdown returns when all is acknowledged.
func (j *job) readSpans(ctx context.Context) (int64, error) {
	cfg, err := j.config()
	if err != nil {
		return 0, err
	}
	var spans atomic.Int64
	done := make(chan struct{})
	next, err := consumer.NewTraces(func(_ context.Context, td ptrace.Traces) error {
		if spans.Add(int64(td.SpanCount())) == j.messages {
			close(done)
		}
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("make the consumer: %w", err)
	}
	factory := amqptracereceiver.NewFactory()
	r, err := factory.CreateTraces(ctx, receivertest.NewNopSettings(factory.Type()), cfg, next)
	if err != nil {
		return 0, fmt.Errorf("make the receiver: %w", err)
	}
	if err := r.Start(ctx, componenttest.NewNopHost()); err != nil {
		return 0, fmt.Errorf("start the receiver: %w", err)
	}
	select {
	case <-done:
	case <-ctx.Done():
	}
	stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopWithin)
	defer cancel()
	return spans.Load(), r.Shutdown(stopping)
}
