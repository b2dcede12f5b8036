package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"testing"
	"time"

	"github.com/otelcol-journey/otelcol-journey/internal/stack"
)

// realSettings are those of the repository on free ports, or the test skips.
func realSettings(t *testing.T) *settings {
	t.Helper()
	s := mustRead(t, nil)
	for _, name := range []string{"otelcol-journey", "jaeger", "gateway", "checkout", "stock", "orders", "users", "mailer", "shopper"} {
		if !exists(s.bin(name)) {
			t.Skipf("bin/%s is not built: run `make demo` once", name)
		}
	}
	if os.Getenv("AMQP_URL") != "" || !stack.CanStartBroker(t.Context()) {
		t.Skip("needs a broker of its own: start a Docker engine or install rabbitmq-server")
	}
	if err := s.chooseFreePorts(); err != nil {
		t.Fatal(err)
	}
	return &s
}

// interruptAfter ends the context when the progress names a step.
type interruptAfter struct {
	step      string
	interrupt context.CancelFunc
	bytes.Buffer
}

func (w *interruptAfter) Write(p []byte) (int, error) {
	if bytes.Contains(p, []byte(w.step)) {
		w.interrupt()
	}
	return w.Buffer.Write(p)
}

func TestWhereverItIsInterruptedNothingIsLeft(t *testing.T) {
	for _, step := range []string{"start RabbitMQ", "start the collector", "start the shop", "send "} {
		t.Run(step, func(t *testing.T) {
			s := realSettings(t)
			dir := t.TempDir()
			ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
			defer cancel()
			ctx, interrupt := context.WithCancel(ctx)
			defer interrupt()
			out := &terminal{out: &interruptAfter{step: step, interrupt: interrupt}}
			a := newAssembly(s, dir, out)
			err := a.start(ctx, out)
			if err == nil {
				err = traffic(ctx, out, s, a, dir)
			}
			if !errors.Is(err, context.Canceled) {
				t.Errorf("got %v, want the interruption", err)
			}
			if err := a.stop(); err != nil {
				t.Error(err)
			}
			if err := s.checkPorts(); err != nil {
				t.Errorf("after the stop: %v", err)
			}
			if name := a.ended(); name == "" && step == "send " {
				t.Error("parts still run")
			}
		})
	}
}
