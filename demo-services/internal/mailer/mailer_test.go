package mailer_test

import (
	"os/exec"
	"strings"
	"testing"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/otelcol-journey/otelcol-journey/demo-services/internal/broker"
	"github.com/otelcol-journey/otelcol-journey/demo-services/internal/mailer"
)

func TestTheMailerIsNotInstrumented(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", "../../cmd/mailer").Output()
	if err != nil {
		t.Fatalf("list the mailer's packages: %v", err)
	}
	for pkg := range strings.Lines(string(out)) {
		if strings.Contains(pkg, "opentelemetry") {
			t.Errorf("the mailer imports %s", strings.TrimSpace(pkg))
		}
	}
}

func TestOnlyCheckoutsAreMailed(t *testing.T) {
	var m mailer.Mailer
	if v := m.Send(t.Context(), amqp.Delivery{Body: []byte(`{"order_id":"o1"}`)}); v != broker.Accept {
		t.Errorf("verdict %d for a checkout, want accept", v)
	}
	if v := m.Send(t.Context(), amqp.Delivery{Body: []byte("x")}); v != broker.Reject {
		t.Errorf("verdict %d for something else, want reject", v)
	}
	if m.Sent() != 1 {
		t.Errorf("%d mails sent, want 1", m.Sent())
	}
}
