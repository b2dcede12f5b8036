package stack

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// fakeDocker stands for the docker command: it notes what it is asked for, and
// its run lasts until it is removed.
const fakeDocker = `#!/bin/sh
echo "$*" >> "$FAKE_DOCKER/calls"
case "$1" in
version) echo 28.0.0 ;;
run) : > "$FAKE_DOCKER/up"; while [ -e "$FAKE_DOCKER/up" ]; do sleep 0.02; done ;;
rm) rm -f "$FAKE_DOCKER/up" ;;
exec) echo pong ;;
esac
`

// useFakeDocker puts the fake first in PATH and returns what it was asked.
func useFakeDocker(t *testing.T) (calls func() string) {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "docker"), []byte(fakeDocker), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("FAKE_DOCKER", dir)
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	t.Setenv("AMQP_URL", "")
	return func() string {
		text, err := os.ReadFile(filepath.Join(dir, "calls"))
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
}

func fakeContainer(t *testing.T) (*container, func() string) {
	t.Helper()
	calls := useFakeDocker(t)
	spec := BrokerSpec{Dir: t.TempDir(), Port: 5673, Plugins: []string{managementPlugin}, NoInstall: true}
	b, err := newBroker(t.Context(), spec)
	if err != nil {
		t.Fatal(err)
	}
	c, inDocker := b.engine.(*container)
	if !inDocker {
		t.Fatalf("an engine that answers is not used: %s", b.Origin)
	}
	if b.ManagementURL == "" || !strings.Contains(b.Origin, brokerImage) {
		t.Errorf("management at %q, origin %q", b.ManagementURL, b.Origin)
	}
	return c, calls
}

func TestContainerListensOnLoopbackWithTheFirehoseOn(t *testing.T) {
	c, _ := fakeContainer(t)
	line := strings.Join(c.args, " ")
	for _, want := range []string{
		"--publish 127.0.0.1:5673:5672", `-rabbit trace_vhosts [<<"/">>]`, "--rm", "--name otelcol-journey-",
		"--volume " + c.name + ":/var/lib/rabbitmq", "RABBITMQ_ENABLED_PLUGINS=" + managementPlugin,
	} {
		if !strings.Contains(line, want) {
			t.Errorf("%q is not in docker %s", want, line)
		}
	}
}

func TestContainerRestartsOnItsVolumeAndIsRemoved(t *testing.T) {
	c, calls := fakeContainer(t)
	ctx := t.Context()
	if err := c.start(ctx); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the first run", func() bool { return strings.Contains(calls(), "run --rm") })
	if err := c.kill(ctx); err != nil {
		t.Fatal(err)
	}
	if err := c.start(ctx); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the second run", func() bool { return strings.Count(calls(), "run --rm") == 2 })
	if strings.Contains(calls(), "volume rm") {
		t.Error("the volume was removed before the end")
	}
	if out, err := c.control(ctx, "status"); err != nil || strings.TrimSpace(string(out)) != "pong" {
		t.Errorf("control: %q, %v", out, err)
	}
	if err := c.remove(ctx); err != nil {
		t.Fatal(err)
	}
	if want := fmt.Sprintf("rm --force %s\nvolume rm --force %s\n", c.name, c.name); !strings.HasSuffix(calls(), want) {
		t.Errorf("docker was asked:\n%s\nwant at the end:\n%s", calls(), want)
	}
	if err := c.remove(ctx); err != nil {
		t.Errorf("a second removal: %v", err)
	}
}
