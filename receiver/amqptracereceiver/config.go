package amqptracereceiver

import (
	"errors"
	"fmt"
	"slices"
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

	// One source may be set; without any it is the firehose.
	Firehose configoptional.Optional[FirehoseConfig] `mapstructure:"firehose"`
	Tap      []TapConfig                             `mapstructure:"tap"`

	Queue    QueueConfig    `mapstructure:"queue"`
	Consumer ConsumerConfig `mapstructure:"consumer"`
	Spans    SpansConfig    `mapstructure:"spans"`
	Limits   LimitsConfig   `mapstructure:"limits"`

	// ErrorBackoff spaces the attempts to hand over spans that the pipeline refuses for the moment.
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

// FirehoseConfig selects what to bind on the broker's trace exchange.
type FirehoseConfig struct {
	Events []string `mapstructure:"events"`
	// Exchanges and Queues are topic patterns over names; "amq.default" is the default exchange.
	Exchanges []string `mapstructure:"exchanges"`
	Queues    []string `mapstructure:"queues"`
	// SilenceWarning is how long a connected firehose may say nothing before a warning; 0 turns it off.
	SilenceWarning time.Duration `mapstructure:"silence_warning"`
}

// TapConfig binds the own queue to one exchange of the application.
type TapConfig struct {
	Exchange    string   `mapstructure:"exchange"`
	Type        string   `mapstructure:"type"`
	BindingKeys []string `mapstructure:"binding_keys"`
}

// QueueConfig describes the own queue. It is always bounded and drops its oldest messages when
// full, so that it can never block or refuse an application's publishers.
type QueueConfig struct {
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

// SpansConfig says what the spans look like and which messages give one.
type SpansConfig struct {
	ServiceName string `mapstructure:"service_name"`
	// RespectSampledFlag skips messages whose context says that its trace is not recorded.
	RespectSampledFlag bool `mapstructure:"respect_sampled_flag"`
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
		Queue:        QueueConfig{Name: "otel.amqp_trace", Expires: 10 * time.Minute, MaxLength: 10_000, MaxLengthBytes: 32 << 20},
		Consumer:     ConsumerConfig{Prefetch: 1000, AckEvery: 100, AckInterval: 200 * time.Millisecond, Parallel: 1},
		Spans:        SpansConfig{ServiceName: "rabbitmq", RespectSampledFlag: true},
		Limits:       LimitsConfig{MaxHeaderValue: 4096, MaxPending: 100_000, PendingTTL: 5 * time.Minute, MaxHold: 10 * time.Minute},
		ErrorBackoff: BackoffConfig{InitialInterval: 100 * time.Millisecond, MaxInterval: 10 * time.Second},
	}
}

func defaultFirehose() FirehoseConfig {
	return FirehoseConfig{
		Events:         []string{"publish", "deliver"},
		Exchanges:      []string{"#"},
		Queues:         []string{"#"},
		SilenceWarning: time.Minute,
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
	if c.Firehose.HasValue() && len(c.Tap) > 0 {
		f.add("only one source may be set, got firehose and tap (%d bindings)", len(c.Tap))
	}
	return errors.Join(f...)
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

// Validate checks event names and patterns.
func (c *FirehoseConfig) Validate() error {
	var f faults
	if len(c.Events) == 0 {
		f.add("events must hold publish, deliver or both, got none")
	}
	for i, e := range c.Events {
		if e != eventPublish && e != eventDeliver {
			f.add("events[%d] must be publish or deliver, got %q", i, e)
		}
	}
	f = append(f, validatePatterns("exchanges", c.Exchanges, c.wants(eventPublish))...)
	f = append(f, validatePatterns("queues", c.Queues, c.wants(eventDeliver))...)
	if c.SilenceWarning < 0 {
		f.add("silence_warning must not be negative, got %v", c.SilenceWarning)
	}
	return errors.Join(f...)
}

func (c *FirehoseConfig) wants(event string) bool { return slices.Contains(c.Events, event) }

func validatePatterns(key string, patterns []string, wanted bool) (f faults) {
	if wanted && len(patterns) == 0 {
		f.add(`%s must hold at least one pattern, got none ("#" is all)`, key)
	}
	for i, p := range patterns {
		if p == "" {
			f.add(`%s[%d] must not be empty (the default exchange is "amq.default")`, key, i)
		}
		if len(p) > maxNameLength {
			f.add("%s[%d] must have at most %d bytes, got %d", key, i, maxNameLength, len(p))
		}
	}
	return f
}

// maxNameLength keeps "publish." and "deliver." in front of a name within AMQP's 255 bytes.
const maxNameLength = 255 - len("publish.")

// Validate refuses exchanges where a further binding takes messages away from the application
// (the hash exchanges) or is not possible (the default one).
func (c *TapConfig) Validate() error {
	var f faults
	if c.Exchange == "" || c.Exchange == defaultExchangeName {
		f.add("exchange must name an exchange other than the default one, got %q", c.Exchange)
	}
	switch c.Type {
	case "topic", "direct":
		if len(c.BindingKeys) == 0 {
			f.add("binding_keys must hold at least one key for type %s, got none", c.Type)
		}
	case "fanout", "headers":
		if len(c.BindingKeys) > 0 {
			f.add("binding_keys must not be set for type %s, which has no use for them, got %q", c.Type, c.BindingKeys)
		}
	default:
		f.add("type must be topic, direct, fanout or headers, got %q", c.Type)
	}
	for i, k := range c.BindingKeys {
		if c.Type == "direct" && strings.ContainsAny(k, "#*") {
			f.add("binding_keys[%d] must be an exact key for type direct, got %q", i, k)
		}
		if len(k) > 255 {
			f.add("binding_keys[%d] must have at most 255 bytes, got %d", i, len(k))
		}
	}
	return errors.Join(f...)
}

// Validate keeps the own queue bounded and within the names that least privileges allow.
func (c *QueueConfig) Validate() error {
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

// Validate checks that the broker has a name in the trace.
func (c *SpansConfig) Validate() error {
	if c.ServiceName == "" {
		return errors.New(`service_name must be set, got ""`)
	}
	return nil
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
