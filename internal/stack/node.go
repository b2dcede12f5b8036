package stack

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

const managementPlugin = "rabbitmq_management"

// ports are those of one broker, all on loopback.
type ports struct {
	amqp         int
	distribution int // Erlang's own, between nodes and rabbitmqctl
	epmd         int // where Erlang nodes find each other
	management   int // 0 when the plugin is off
	stream       int
}

func brokerPorts(spec BrokerSpec) (ports, error) {
	free, err := freePorts(5)
	if err != nil {
		return ports{}, err
	}
	p := ports{amqp: free[0], distribution: free[1], epmd: free[2], management: free[3], stream: free[4]}
	if spec.Port != 0 {
		p.amqp = spec.Port
	}
	if !slices.Contains(spec.Plugins, managementPlugin) {
		p.management = 0
	}
	return p, nil
}

// node is a private RabbitMQ node of the installed package: own name, own epmd,
// own cookie, own data, nothing shared with a broker of the system.
type node struct {
	sbin   string // directory of rabbitmq-server and rabbitmqctl
	dir    string
	ports  ports
	epmd   *Process
	server *Process
}

func newNode(sbin string, spec BrokerSpec, ports ports) (*node, error) {
	n := &node{sbin: sbin, dir: spec.Dir, ports: ports}
	if err := os.MkdirAll(n.path("home"), 0o755); err != nil {
		return nil, err
	}
	config := n.config()
	if spec.Config != nil {
		lines, err := spec.Config(spec.Dir)
		if err != nil {
			return nil, fmt.Errorf("make the configuration: %w", err)
		}
		config += strings.Join(lines, "\n") + "\n"
	}
	files := map[string]string{
		"enabled_plugins": "[" + strings.Join(spec.Plugins, ",") + "].\n",
		"rabbitmq.conf":   config,
		// trace_on of rabbitmqctl is lost at a restart, this setting is not.
		"advanced.config": `[{rabbit,[{trace_vhosts,[<<"/">>]}]}].` + "\n",
	}
	for name, text := range files {
		if err := os.WriteFile(n.path(name), []byte(text), 0o644); err != nil {
			return nil, err
		}
	}
	return n, nil
}

func (n *node) path(name string) string { return filepath.Join(n.dir, name) }

// config keeps the plugins that open ports on loopback; unset they would listen
// on all addresses. The lines do no harm while a plugin is off.
func (n *node) config() string {
	lines := []string{
		fmt.Sprintf("stream.listeners.tcp.1 = 127.0.0.1:%d", n.ports.stream),
		// A laptop's disk is often nearly full; the demo needs a few megabytes.
		"disk_free_limit.absolute = 50MB",
	}
	if n.ports.management != 0 {
		lines = append(lines, "management.tcp.ip = 127.0.0.1",
			fmt.Sprintf("management.tcp.port = %d", n.ports.management))
	}
	return strings.Join(lines, "\n") + "\n"
}

// environment is that of the server and of rabbitmqctl, which finds the node by
// the same name, cookie (HOME) and epmd. "@localhost" needs no entry for the
// machine's name in /etc/hosts.
func (n *node) environment() []string {
	return []string{
		"HOME=" + n.path("home"),
		"RABBITMQ_CONF_ENV_FILE=/dev/null", // not the package's
		fmt.Sprintf("RABBITMQ_NODENAME=journey%d@localhost", n.ports.amqp),
		"RABBITMQ_NODE_IP_ADDRESS=127.0.0.1",
		"RABBITMQ_NODE_PORT=" + strconv.Itoa(n.ports.amqp),
		"RABBITMQ_DIST_PORT=" + strconv.Itoa(n.ports.distribution),
		"ERL_EPMD_ADDRESS=127.0.0.1",
		"ERL_EPMD_PORT=" + strconv.Itoa(n.ports.epmd),
		"RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS=-kernel inet_dist_use_interface {127,0,0,1} -start_epmd false",
		// Makes the script replace itself with the Erlang machine instead of
		// staying as its parent: then it is our child, and dies with us.
		"RABBITMQ_ALLOW_INPUT=true",
		"RABBITMQ_SERVER_START_ARGS=-noinput",
		"RABBITMQ_MNESIA_BASE=" + n.path("data"),
		"RABBITMQ_LOG_BASE=" + n.path("log"),
		"RABBITMQ_PID_FILE=" + n.path("pid"),
		"RABBITMQ_ENABLED_PLUGINS_FILE=" + n.path("enabled_plugins"),
		"RABBITMQ_CONFIG_FILE=" + n.path("rabbitmq.conf"),
		"RABBITMQ_ADVANCED_CONFIG_FILE=" + n.path("advanced.config"),
	}
}

func (n *node) start(ctx context.Context) error {
	if n.epmd == nil {
		if err := n.startEpmd(ctx); err != nil {
			return err
		}
	}
	server, err := StartProcess(ctx, ProcessSpec{
		Name: "rabbitmq", Path: filepath.Join(n.sbin, "rabbitmq-server"),
		Env: n.environment(), Dir: n.dir, LogFile: n.path("broker.log"),
	})
	if err != nil {
		return err
	}
	n.server = server
	return nil
}

// startEpmd runs epmd as our own child. Left to itself Erlang starts one as a
// daemon that outlives the broker.
func (n *node) startEpmd(ctx context.Context) error {
	path, err := exec.LookPath("epmd")
	if err != nil {
		return fmt.Errorf("find Erlang's port mapper: %w", err)
	}
	port := strconv.Itoa(n.ports.epmd)
	n.epmd, err = StartProcess(ctx, ProcessSpec{
		Name: "epmd", Path: path, Args: []string{"-address", "127.0.0.1", "-port", port},
		Env: n.environment(), Dir: n.dir, LogFile: n.path("epmd.log"), Grace: time.Second,
	})
	if err != nil {
		return err
	}
	err = poll(ctx, func() (bool, error) {
		select {
		case <-n.epmd.Exited():
			return false, n.epmd.earlyEnd()
		default:
			return portOpen(net.JoinHostPort("127.0.0.1", port)), nil
		}
	})
	if err != nil {
		return fmt.Errorf("wait for epmd: %w", err)
	}
	return nil
}

func portOpen(address string) bool {
	conn, err := net.DialTimeout("tcp", address, time.Second)
	if err != nil {
		return false
	}
	conn.Close()
	return true
}

func (n *node) ended() <-chan struct{} { return n.server.Exited() }

func (n *node) pid() int { return n.server.PID() }

func (n *node) reason() error { return n.server.earlyEnd() }

func (n *node) kill(context.Context) error {
	if n.server == nil {
		return nil
	}
	return n.server.Kill()
}

func (n *node) remove(ctx context.Context) error {
	errs := []error{n.kill(ctx)}
	if n.epmd != nil {
		errs = append(errs, n.epmd.Kill())
	}
	return errors.Join(errs...)
}

func (n *node) control(ctx context.Context, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, filepath.Join(n.sbin, "rabbitmqctl"), args...)
	cmd.Env = append(os.Environ(), n.environment()...)
	cmd.Dir = n.dir
	cmd.SysProcAttr = childAttributes()
	out, err := cmd.CombinedOutput()
	if err != nil {
		return out, fmt.Errorf("rabbitmqctl %s: %w: %s", strings.Join(args, " "), err, out)
	}
	return out, nil
}

// installedServer is the directory of the RabbitMQ scripts that run as any
// user, or "". Debian's /usr/sbin/rabbitmq-server is a wrapper that insists on
// the user rabbitmq and the system's directories, so it is not looked for.
func installedServer() string {
	patterns := []string{
		"/usr/lib/rabbitmq/lib/rabbitmq_server-*/sbin", // Debian, Ubuntu, Fedora
		"/opt/rabbitmq/sbin",                           // generic archive
		"/opt/homebrew/opt/rabbitmq/sbin",              // Homebrew
		"/usr/local/opt/rabbitmq/sbin",
	}
	for _, pattern := range patterns {
		found, err := filepath.Glob(filepath.Join(pattern, "rabbitmq-server"))
		if err == nil && len(found) > 0 {
			return filepath.Dir(found[len(found)-1])
		}
	}
	return ""
}
