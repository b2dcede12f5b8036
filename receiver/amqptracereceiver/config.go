package amqptracereceiver

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/config/configopaque"
	"go.opentelemetry.io/collector/config/configoptional"
	"go.opentelemetry.io/collector/config/configtls"
)

// ownQueuePrefix begins the name of every queue this receiver declares. What is delivered
// from such a queue is our own reading and never becomes a span.
const ownQueuePrefix = "otel."

// Config is the configuration of the amqp_trace receiver.
type Config struct {
	Connection ConnectionConfig `mapstructure:"connection"`

	// Reconnect spaces the attempts to reach a broker. They never end.
	Reconnect BackoffConfig `mapstructure:"reconnect"`

	// One mode may be set; without any it is the firehose.
	Firehose configoptional.Optional[FirehoseConfig] `mapstructure:"firehose"`
	Tap      []TapConfig                             `mapstructure:"tap"`
	Queue    configoptional.Optional[QueueConfig]    `mapstructure:"queue"`
	OTLP     configoptional.Optional[OTLPConfig]     `mapstructure:"otlp"`

	// OwnQueue is what firehose and tap declare and read.
	OwnQueue OwnQueueConfig `mapstructure:"own_queue"`
	Consumer ConsumerConfig `mapstructure:"consumer"`

	// How messages become spans; of no use to otlp.
	Propagators []string         `mapstructure:"propagators"`
	Spans       SpansConfig      `mapstructure:"spans"`
	Attributes  AttributesConfig `mapstructure:"attributes"`
	Trust       TrustConfig      `mapstructure:"trust"`

	Limits LimitsConfig `mapstructure:"limits"`

	// ErrorBackoff spaces the attempts to hand over what the pipeline refuses for the moment.
	ErrorBackoff BackoffConfig `mapstructure:"error_backoff"`
}

// ConnectionConfig says which broker to read from, and as whom.
type ConnectionConfig struct {
	// Endpoints are tried in turn: amqp://host:port or amqps://host:port, without credentials and vhost.
	Endpoints []string `mapstructure:"endpoints"`
	VHost     string   `mapstructure:"vhost"`
	// Name is what the broker's management pages call this connection.
	Name string     `mapstructure:"name"`
	Auth AuthConfig `mapstructure:"auth"`
	// TLS applies to amqps endpoints; without it the system's roots are used.
	TLS configoptional.Optional[configtls.ClientConfig] `mapstructure:"tls"`
	// Heartbeat is the interval proposed to the broker; three missed ones end the connection.
	Heartbeat time.Duration `mapstructure:"heartbeat"`
	// ConnectionTimeout bounds TCP, TLS and AMQP handshake together.
	ConnectionTimeout time.Duration `mapstructure:"connection_timeout"`
}

// AuthConfig is a one-of. Without any: PLAIN as guest, which RabbitMQ accepts on loopback only.
type AuthConfig struct {
	Plain    configoptional.Optional[PlainConfig]    `mapstructure:"plain"`
	External configoptional.Optional[ExternalConfig] `mapstructure:"external"`
}

// PlainConfig is SASL PLAIN.
type PlainConfig struct {
	Username string              `mapstructure:"username"`
	Password configopaque.String `mapstructure:"password"`
}

// ExternalConfig is SASL EXTERNAL: the broker takes the name from the client certificate.
type ExternalConfig struct{}

// OwnQueueConfig describes the queue that firehose and tap declare. It is always bounded and drops its oldest messages when
// full, so that it can never block or refuse an application's publishers.
type OwnQueueConfig struct {
	Name string `mapstructure:"name"`
	// Durable keeps the queue over a lost connection, until Expires without a consumer. Otherwise
	// the queue is exclusive and ends with its connection.
	Durable        bool          `mapstructure:"durable"`
	Expires        time.Duration `mapstructure:"expires"`
	MaxLength      int           `mapstructure:"max_length"`
	MaxLengthBytes int64         `mapstructure:"max_length_bytes"`
}

// ConsumerConfig says how many messages are in flight and when they are acknowledged.
type ConsumerConfig struct {
	Prefetch    int           `mapstructure:"prefetch"`
	AckEvery    int           `mapstructure:"ack_every"`
	AckInterval time.Duration `mapstructure:"ack_interval"`
	// Parallel is how many batches of AckEvery are handed over at once when so many are here.
	Parallel int `mapstructure:"parallel"`
}

// LimitsConfig bounds what strangers' messages can make this receiver hold.
type LimitsConfig struct {
	// MaxHeaderValue is the longest string, in bytes, taken over from a message into a span.
	MaxHeaderValue int `mapstructure:"max_header_value"`
	// MaxPending and PendingTTL bound the table that pairs publishes with deliveries.
	MaxPending int           `mapstructure:"max_pending"`
	PendingTTL time.Duration `mapstructure:"pending_ttl"`
	// MaxHold is the longest time a refused batch is held before it goes back to the queue.
	MaxHold time.Duration `mapstructure:"max_hold"`
}

// BackoffConfig grows from InitialInterval to MaxInterval, with jitter.
type BackoffConfig struct {
	InitialInterval time.Duration `mapstructure:"initial_interval"`
	MaxInterval     time.Duration `mapstructure:"max_interval"`
}

func createDefaultConfig() component.Config {
	return &Config{
		Connection: ConnectionConfig{
			Endpoints:         []string{"amqp://localhost:5672"},
			VHost:             "/",
			Name:              "otelcol-amqp-trace",
			TLS:               configoptional.Default(configtls.NewDefaultClientConfig()),
			Heartbeat:         10 * time.Second,
			ConnectionTimeout: 10 * time.Second,
		},
		Reconnect:    BackoffConfig{InitialInterval: 500 * time.Millisecond, MaxInterval: 30 * time.Second},
		Firehose:     configoptional.Default(defaultFirehose()),
		Queue:        configoptional.Default(QueueConfig{}),
		OTLP:         configoptional.Default(defaultOTLP()),
		OwnQueue:     OwnQueueConfig{Name: "otel.amqp_trace", Expires: 10 * time.Minute, MaxLength: 10_000, MaxLengthBytes: 32 << 20},
		Consumer:     ConsumerConfig{Prefetch: 1000, AckEvery: 100, AckInterval: 200 * time.Millisecond, Parallel: 1},
		Propagators:  []string{propagatorTraceContext, propagatorBaggage},
		Spans:        defaultSpans(),
		Limits:       LimitsConfig{MaxHeaderValue: 4096, MaxPending: 100_000, PendingTTL: 5 * time.Minute, MaxHold: 10 * time.Minute},
		ErrorBackoff: BackoffConfig{InitialInterval: 100 * time.Millisecond, MaxInterval: 10 * time.Second},
	}
}

// faults collects everything that is wrong with one section.
type faults []error

func (f *faults) add(format string, args ...any) { *f = append(*f, fmt.Errorf(format, args...)) }

func (f *faults) positive(key string, found time.Duration) {
	if found <= 0 {
		f.add("%s must be positive, got %v", key, found)
	}
}

func (f *faults) atLeast(key string, least, found int64) {
	if found < least {
		f.add("%s must be at least %d, got %d", key, least, found)
	}
}

// Validate checks what concerns more than one section; each section checks itself.
func (c *Config) Validate() error {
	var f faults
	if set := c.modes(); len(set) > 1 {
		f.add("only one mode may be set, got %s", strings.Join(set, " and "))
	}
	f = append(f, c.validatePropagators()...)
	return errors.Join(f...)
}

// modes lists what is set of the one-of.
func (c *Config) modes() (set []string) {
	for _, mode := range []struct {
		name string
		set  bool
	}{
		{modeFirehose, c.Firehose.HasValue()},
		{modeTap, len(c.Tap) > 0},
		{modeQueue, c.Queue.HasValue()},
		{modeOTLP, c.OTLP.HasValue()},
	} {
		if mode.set {
			set = append(set, mode.name)
		}
	}
	return set
}

// keepsMessages says whether messages outlive the connection that they were delivered on.
func (c *Config) keepsMessages() bool {
	return c.OwnQueue.Durable || c.Queue.HasValue() || c.OTLP.HasValue()
}

// Validate checks the endpoints and that TLS and authentication fit them.
func (c *ConnectionConfig) Validate() error {
	var f faults
	if len(c.Endpoints) == 0 {
		f.add("endpoints must name at least one broker, got none")
	}
	secure := 0
	for i, e := range c.Endpoints {
		endpoint, err := parseEndpoint(e)
		if err != nil {
			f.add("endpoints[%d] %w", i, err)
		}
		if endpoint.tls {
			secure++
		}
	}
	f = append(f, c.validateTLS(secure)...)
	if c.VHost == "" {
		f.add(`vhost must be set, got "" (the default vhost is "/")`)
	}
	if c.Heartbeat < time.Second {
		f.add("heartbeat must be at least 1s, got %v", c.Heartbeat)
	}
	f.positive("connection_timeout", c.ConnectionTimeout)
	return errors.Join(f...)
}

func (c *ConnectionConfig) validateTLS(secureEndpoints int) (f faults) {
	if tls := c.TLS.Get(); tls != nil {
		if tls.Insecure && secureEndpoints > 0 {
			f.add("tls::insecure must be false with an amqps endpoint, got true (to skip verification only, set tls::insecure_skip_verify)")
		}
		if !tls.Insecure && secureEndpoints < len(c.Endpoints) {
			f.add("tls is set but %d of %d endpoints are amqp, not amqps", len(c.Endpoints)-secureEndpoints, len(c.Endpoints))
		}
	}
	if c.Auth.External.HasValue() && secureEndpoints < len(c.Endpoints) {
		f.add("auth::external needs a client certificate, got %d endpoints without TLS", len(c.Endpoints)-secureEndpoints)
	}
	return f
}

// Validate checks the one-of.
func (c *AuthConfig) Validate() error {
	if c.Plain.HasValue() && c.External.HasValue() {
		return errors.New("only one of plain, external may be set, got both")
	}
	return nil
}

// Validate checks that there is somebody to log in as.
func (c *PlainConfig) Validate() error {
	if c.Username == "" {
		return errors.New(`username must be set, got ""`)
	}
	return nil
}

// Validate keeps the own queue bounded and within the names that least privileges allow.
func (c *OwnQueueConfig) Validate() error {
	var f faults
	if !strings.HasPrefix(c.Name, ownQueuePrefix) || len(c.Name) > 200 {
		f.add("name must begin with %q and have at most 200 bytes, got %q", ownQueuePrefix, c.Name)
	}
	if c.Durable && c.Expires < time.Second {
		f.add("expires must be at least 1s for a durable queue, got %v", c.Expires)
	}
	f.atLeast("max_length", 1, int64(c.MaxLength))
	f.atLeast("max_length_bytes", 1, c.MaxLengthBytes)
	return errors.Join(f...)
}

// Validate checks that a batch can fill before the broker stops sending.
func (c *ConsumerConfig) Validate() error {
	var f faults
	if c.Prefetch < 1 || c.Prefetch > 65535 {
		f.add("prefetch must be between 1 and 65535, got %d", c.Prefetch)
	}
	if c.AckEvery < 1 || c.AckEvery > c.Prefetch {
		f.add("ack_every must be between 1 and prefetch (%d), got %d", c.Prefetch, c.AckEvery)
	}
	f.positive("ack_interval", c.AckInterval)
	if most := c.Prefetch / max(c.AckEvery, 1); c.Parallel < 1 || c.Parallel > max(most, 1) {
		f.add("parallel must be between 1 and prefetch / ack_every (%d), got %d", most, c.Parallel)
	}
	return errors.Join(f...)
}

// Validate checks the bounds.
func (c *LimitsConfig) Validate() error {
	var f faults
	f.atLeast("max_header_value", 64, int64(c.MaxHeaderValue))
	f.atLeast("max_pending", 1, int64(c.MaxPending))
	f.positive("pending_ttl", c.PendingTTL)
	// The broker closes a channel that leaves a delivery unsettled for 30 minutes.
	if c.MaxHold <= 0 || c.MaxHold > 10*time.Minute {
		f.add("max_hold must be positive and at most 10m, got %v", c.MaxHold)
	}
	return errors.Join(f...)
}

// Validate checks that the interval can grow.
func (c *BackoffConfig) Validate() error {
	var f faults
	f.positive("initial_interval", c.InitialInterval)
	if c.MaxInterval < c.InitialInterval {
		f.add("max_interval must be at least initial_interval (%v), got %v", c.InitialInterval, c.MaxInterval)
	}
	return errors.Join(f...)
}
