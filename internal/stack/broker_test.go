package stack

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// startTestBroker starts a broker we own, or skips.
func startTestBroker(t *testing.T) *Broker {
	t.Helper()
	if os.Getenv("AMQP_URL") != "" {
		t.Skip("AMQP_URL is set: the broker is not ours to kill")
	}
	if !CanStartBroker(t.Context()) {
		t.Skip("no RabbitMQ here: start a Docker engine or install rabbitmq-server")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	b, err := StartBroker(ctx, BrokerSpec{Dir: t.TempDir(), NoInstall: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return b
}

// eventually polls a condition of a real process until a deadline.
func eventually(t *testing.T, what string, ready func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := poll(ctx, func() (bool, error) { return ready(), nil }); err != nil {
		t.Fatalf("%s: %v", what, err)
	}
}

// openChannel opens a channel that the test closes.
func openChannel(t *testing.T, url string) *amqp.Channel {
	t.Helper()
	conn, err := amqp.Dial(url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() }) // an error here says that the broker was killed
	ch, err := conn.Channel()
	if err != nil {
		t.Fatal(err)
	}
	return ch
}

func requireFirehose(t *testing.T, b *Broker) {
	t.Helper()
	if err := b.CheckFirehose(t.Context()); err != nil {
		t.Error(err)
	}
}

// processesBelow lists the command lines of live processes whose environment
// names dir: the broker's whole family, whoever their parent is by now.
func processesBelow(t *testing.T, dir string) []string {
	t.Helper()
	paths, err := filepath.Glob("/proc/[0-9]*/environ")
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, path := range paths {
		env, err := os.ReadFile(path)
		if err != nil || !strings.Contains(string(env), "HOME="+dir) {
			continue // gone meanwhile, or not ours
		}
		cmdline, _ := os.ReadFile(filepath.Join(filepath.Dir(path), "cmdline"))
		found = append(found, strings.ReplaceAll(string(cmdline), "\x00", " "))
	}
	return found
}

// One broker for what needs one, because each start takes four seconds and more.
func TestBroker(t *testing.T) {
	b := startTestBroker(t)
	t.Run("traces from the first second", func(t *testing.T) { requireFirehose(t, b) })
	t.Run("is reached by Control", func(t *testing.T) { requireControl(t, b) })
	t.Run("keeps a durable queue over a kill", func(t *testing.T) { requireDurable(t, b) })
	t.Run("traces after a restart", func(t *testing.T) { requireFirehose(t, b) })
	t.Run("says that its firehose is off", func(t *testing.T) {
		if _, err := b.Control(t.Context(), "trace_off"); err != nil {
			t.Fatal(err)
		}
		if err := b.CheckFirehose(t.Context()); !errors.Is(err, ErrFirehoseOff) {
			t.Errorf("got %v, want ErrFirehoseOff", err)
		}
	})
	t.Run("runs beside another and leaves nothing", func(t *testing.T) {
		other := startTestBroker(t)
		requireFirehose(t, other)
		requireGone(t, b)
		if err := handshake(other.URL); err != nil {
			t.Errorf("the other broker suffered: %v", err)
		}
	})
}

func requireControl(t *testing.T, b *Broker) {
	t.Helper()
	out, err := b.Control(t.Context(), "list_vhosts", "--silent")
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(strings.Fields(string(out)), "/") {
		t.Errorf("list_vhosts printed %q", out)
	}
}

// requireDurable publishes, kills, restarts and wants the message back.
func requireDurable(t *testing.T, b *Broker) {
	t.Helper()
	publishDurably(t, openChannel(t, b.URL), "orders")
	if err := b.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := b.Kill(t.Context()); err != nil {
		t.Fatal(err)
	}
	select {
	case <-b.Exited():
	default:
		t.Error("a killed broker has not exited")
	}
	if err := handshake(b.URL); err == nil {
		t.Fatal("a killed broker still answers")
	}
	if err := b.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	again := openChannel(t, b.URL)
	eventually(t, "the message of before the kill", func() bool {
		d, ok, err := again.Get("orders", true)
		if err != nil {
			t.Fatal(err)
		}
		return ok && string(d.Body) == "kept"
	})
}

func publishDurably(t *testing.T, ch *amqp.Channel, queue string) {
	t.Helper()
	if _, err := ch.QueueDeclare(queue, true, false, false, false, nil); err != nil {
		t.Fatal(err)
	}
	if err := ch.Confirm(false); err != nil {
		t.Fatal(err)
	}
	confirm, err := ch.PublishWithDeferredConfirm("", queue, false, false,
		amqp.Publishing{DeliveryMode: amqp.Persistent, Body: []byte("kept")})
	if err != nil {
		t.Fatal(err)
	}
	if !confirm.Wait() {
		t.Fatal("publish was not confirmed")
	}
}

// requireGone stops a broker and wants no process and no port of it left.
func requireGone(t *testing.T, b *Broker) {
	t.Helper()
	n, private := b.engine.(*node)
	if private && len(processesBelow(t, n.dir)) < 3 {
		t.Fatalf("the family of a running broker: %q", processesBelow(t, n.dir))
	}
	for range 2 { // stopping twice is no error
		if err := b.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if !private {
		return
	}
	if left := processesBelow(t, n.dir); len(left) > 0 {
		t.Errorf("processes after Stop: %q", left)
	}
	for _, port := range []int{n.ports.amqp, n.ports.epmd, n.ports.distribution} {
		if !portFree(port) {
			t.Errorf("port %d is still taken after Stop", port)
		}
	}
}

func TestBrokerThatCannotStartSaysWhy(t *testing.T) {
	sbin := installedServer()
	if sbin == "" || dockerEngine(t.Context()) != "" || os.Getenv("AMQP_URL") != "" {
		t.Skip("looks at the log of an installed package")
	}
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	dir := t.TempDir()
	port := taken.Addr().(*net.TCPAddr).Port
	_, err = StartBroker(t.Context(), BrokerSpec{Dir: dir, Port: port})
	if err == nil || !strings.Contains(err.Error(), "eaddrinuse") {
		t.Errorf("got %v, want the broker's own words about the taken port", err)
	}
	if left := processesBelow(t, dir); len(left) > 0 {
		t.Errorf("processes after a failed start: %q", left)
	}
}

func TestStartEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	t.Setenv("AMQP_URL", fmt.Sprintf("amqp://guest:guest@127.0.0.1:%d/", mustFreePort(t)))
	if _, err := StartBroker(ctx, BrokerSpec{}); !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "AMQP_URL") {
		t.Errorf("got %v, want the deadline and AMQP_URL", err)
	}
}

func TestBrokerOfAnotherIsNotOursToKill(t *testing.T) {
	b := &Broker{Origin: "AMQP_URL"}
	if b.Owned() || !errors.Is(b.Kill(t.Context()), ErrNotOwned) || !errors.Is(b.Restart(t.Context()), ErrNotOwned) {
		t.Error("a broker of AMQP_URL must not be ours to kill")
	}
	if err := b.Stop(t.Context()); err != nil {
		t.Errorf("leaving it alone: %v", err)
	}
}

func mustFreePort(t *testing.T) int {
	t.Helper()
	port, err := FreePort()
	if err != nil {
		t.Fatal(err)
	}
	return port
}
