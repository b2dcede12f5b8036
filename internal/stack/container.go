package stack

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// brokerImage is the image of docker-compose.yaml.
const brokerImage = "rabbitmq:4.3-management-alpine"

// engineAnswerTimeout bounds the question whether a Docker engine answers.
const engineAnswerTimeout = 5 * time.Second

// dockerEngine is the path of the docker command if an engine answers it, or "".
func dockerEngine(ctx context.Context) string {
	path, err := exec.LookPath("docker")
	if err != nil {
		return ""
	}
	ctx, cancel := context.WithTimeout(ctx, engineAnswerTimeout)
	defer cancel()
	out, err := exec.CommandContext(ctx, path, "version", "--format", "{{.Server.Version}}").Output()
	if err != nil || strings.TrimSpace(string(out)) == "" {
		return ""
	}
	return path
}

// container is a broker in a Docker container, its data in a volume of the same
// name. Both have a name of their own and are removed at the end.
type container struct {
	docker  string
	name    string
	dir     string
	args    []string // of docker run
	client  *Process // docker run, attached: it ends when the container does
	remover *remover // nil before the first start
}

// remover takes container and volume away once we let go of it, also when we
// are killed: the engine runs the container, so it would not end with us.
type remover struct {
	cmd  *exec.Cmd
	hold io.Closer // its standard input; the kernel closes it when we end
}

// removal waits for the end of its input. Its arguments are docker and the name.
const removal = `cat; "$0" rm --force "$1"; exec "$0" volume rm --force "$1"`

func startRemover(docker, name, logFile string) (*remover, error) {
	log, err := openLog(logFile)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	cmd := exec.Command("/bin/sh", "-c", removal, docker, name)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C must not reach it
	hold, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	return &remover{cmd: cmd, hold: hold}, nil
}

// finish removes container and volume and waits for it.
func (r *remover) finish() error {
	if err := r.hold.Close(); err != nil {
		return err
	}
	return r.cmd.Wait()
}

func newContainer(docker string, spec BrokerSpec, ports ports) *container {
	c := &container{docker: docker, name: "otelcol-journey-" + strings.ToLower(rand.Text()[:10]), dir: spec.Dir}
	c.args = []string{
		"run", "--rm", "--name", c.name,
		"--hostname", "journey", // part of the data's path: must stay over a restart
		"--volume", c.name + ":/var/lib/rabbitmq",
		"--publish", fmt.Sprintf("127.0.0.1:%d:5672", ports.amqp),
		// The same as advanced.config's trace_vhosts, without a mounted file, which
		// an engine on another machine could not see.
		"--env", `RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS=-rabbit trace_vhosts [<<"/">>]`,
		"--env", "RABBITMQ_ENABLED_PLUGINS=" + strings.Join(spec.Plugins, ","),
	}
	if ports.management != 0 {
		c.args = append(c.args, "--publish", fmt.Sprintf("127.0.0.1:%d:15672", ports.management))
	}
	c.args = append(c.args, brokerImage)
	return c
}

func (c *container) start(ctx context.Context) error {
	if c.remover == nil {
		remover, err := startRemover(c.docker, c.name, filepath.Join(c.dir, "remove.log"))
		if err != nil {
			return fmt.Errorf("start what removes the container: %w", err)
		}
		c.remover = remover
	}
	client, err := StartProcess(ctx, ProcessSpec{
		Name: "docker run " + brokerImage, Path: c.docker, Args: c.args,
		LogFile: filepath.Join(c.dir, "broker.log"),
	})
	if err != nil {
		return err
	}
	c.client = client
	return nil
}

func (c *container) ended() <-chan struct{} { return c.client.Exited() }

func (c *container) pid() int { return c.client.PID() }

func (c *container) reason() error { return c.client.earlyEnd() }

// kill also removes the container (--rm), so that its name is free again.
func (c *container) kill(ctx context.Context) error {
	if c.client == nil {
		return nil
	}
	select {
	case <-c.client.Exited():
		return nil
	default:
	}
	if _, err := c.run(ctx, "rm", "--force", c.name); err != nil {
		return err
	}
	return c.client.Stop(ctx)
}

func (c *container) remove(context.Context) error {
	if c.remover == nil {
		return nil
	}
	err := c.remover.finish()
	c.remover = nil
	if err != nil {
		err = fmt.Errorf("remove container and volume %s (see %s): %w", c.name, filepath.Join(c.dir, "remove.log"), err)
	}
	if c.client != nil {
		err = errors.Join(err, c.client.Kill())
	}
	return err
}

func (c *container) control(ctx context.Context, args ...string) ([]byte, error) {
	return c.run(ctx, append([]string{"exec", c.name, "rabbitmqctl"}, args...)...)
}

func (c *container) run(ctx context.Context, args ...string) ([]byte, error) {
	out, err := exec.CommandContext(ctx, c.docker, args...).CombinedOutput()
	if err != nil {
		return out, fmt.Errorf("docker %s: %w: %s", strings.Join(args, " "), err, out)
	}
	return out, nil
}
