package amqptracereceiver

import (
	"errors"
	"net/url"
	"slices"
	"strings"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/config/configopaque"
	"go.opentelemetry.io/collector/config/configoptional"
	"go.opentelemetry.io/collector/config/configtls"
)

// The modes, by their keys in the configuration.
const (
	modeFirehose = "firehose"
	modeTap      = "tap"
	modeQueue    = "queue"
	modeOTLP     = "otlp"
)

// FirehoseConfig selects what to bind on the broker's trace exchange.
type FirehoseConfig struct {
	Events []string `mapstructure:"events"`
	// Exchanges and Queues are topic patterns over names; "amq.default" is the default exchange.
	Exchanges []string `mapstructure:"exchanges"`
	Queues    []string `mapstructure:"queues"`
	// SilenceWarning is how long a connected firehose may say nothing before a warning; 0 turns it off.
	SilenceWarning time.Duration `mapstructure:"silence_warning"`
	// Management is the broker's HTTP API; nothing asks it unless this is set.
	Management configoptional.Optional[ManagementConfig] `mapstructure:"management"`
}

// TapConfig binds the own queue to one exchange of the application.
type TapConfig struct {
	Exchange    string   `mapstructure:"exchange"`
	Type        string   `mapstructure:"type"`
	BindingKeys []string `mapstructure:"binding_keys"`
}

// ManagementConfig is for what AMQP cannot tell or do. Without the API everything else goes on.
type ManagementConfig struct {
	// Endpoints are http(s)://host:port of the nodes. Names are asked of the first that answers; the
	// tracing flag belongs to a node, so it is set on each.
	Endpoints []string            `mapstructure:"endpoints"`
	Username  string              `mapstructure:"username"`
	Password  configopaque.String `mapstructure:"password"`
	// TLS applies to https endpoints; without it the system's roots are used.
	TLS     configoptional.Optional[configtls.ClientConfig] `mapstructure:"tls"`
	Timeout time.Duration                                   `mapstructure:"timeout"`
	// ConnectionNames adds what clients call themselves to spans; needs the tag monitoring.
	ConnectionNames bool `mapstructure:"connection_names"`
	// MaxConnectionNames bounds how many are remembered, ConnectionNamesTTL for how long.
	MaxConnectionNames int           `mapstructure:"max_connection_names"`
	ConnectionNamesTTL time.Duration `mapstructure:"connection_names_ttl"`
	// EnableTracing switches the firehose on after each connect; needs the tag administrator.
	EnableTracing bool `mapstructure:"enable_tracing"`
}

// management is the API's configuration, nil if it is not to be asked.
func (c *Config) management() *ManagementConfig {
	if set := c.Firehose.Get(); set != nil && c.Firehose.HasValue() {
		return set.Management.Get()
	}
	return nil
}

// QueueConfig is a queue that the operator has made and fills for this receiver.
type QueueConfig struct {
	Name string `mapstructure:"name"`
	// Force reads the queue although others consume from it. They then get only a share of its messages.
	Force bool `mapstructure:"force"`
}

// OTLPConfig receives telemetry that somebody has published as messages.
type OTLPConfig struct {
	Queues OTLPQueuesConfig `mapstructure:"queues"`
	// Encoding is auto, otlp_proto, otlp_json, or the id of an encoding extension.
	Encoding string `mapstructure:"encoding"`
	// Prefetch is how many payloads of each queue are here at once: with MaxBodyBytes it bounds the memory.
	Prefetch int `mapstructure:"prefetch"`
	// MaxBodyBytes is the largest body taken, as it comes and after decompression.
	MaxBodyBytes int64 `mapstructure:"max_body_bytes"`
	// Declare makes the queues if they are missing. Without it they must exist.
	Declare configoptional.Optional[DeclareConfig] `mapstructure:"declare"`
}

// OTLPQueuesConfig names the queue of each signal; those without a pipeline are left alone.
type OTLPQueuesConfig struct {
	Traces  string `mapstructure:"traces"`
	Logs    string `mapstructure:"logs"`
	Metrics string `mapstructure:"metrics"`
}

// DeclareConfig says how OTLP queues are made: durable, and not bound to any exchange but the default one.
type DeclareConfig struct {
	Type string `mapstructure:"type"`
	// DeadLetterExchange gets rejected payloads; it must exist. Without one they are gone.
	DeadLetterExchange   string `mapstructure:"dead_letter_exchange"`
	DeadLetterRoutingKey string `mapstructure:"dead_letter_routing_key"`
}

func defaultFirehose() FirehoseConfig {
	return FirehoseConfig{
		Events:         []string{"publish", "deliver"},
		Exchanges:      []string{"#"},
		Queues:         []string{"#"},
		SilenceWarning: time.Minute,
		Management:     configoptional.Default(defaultManagement()),
	}
}

func defaultManagement() ManagementConfig {
	return ManagementConfig{
		TLS:                configoptional.Default(configtls.NewDefaultClientConfig()),
		Timeout:            5 * time.Second,
		ConnectionNames:    true,
		MaxConnectionNames: 10_000,
		ConnectionNamesTTL: 10 * time.Minute,
	}
}

// defaultOTLP reads what the rabbitmq exporter of the Collector's contrib repository sends by default.
func defaultOTLP() OTLPConfig {
	return OTLPConfig{
		Queues:       OTLPQueuesConfig{Traces: "otlp_spans", Logs: "otlp_logs", Metrics: "otlp_metrics"},
		Encoding:     encodingAuto,
		Prefetch:     10,
		MaxBodyBytes: 16 << 20,
		Declare:      configoptional.Default(DeclareConfig{Type: "classic"}),
	}
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

// Validate checks where the API is and that credentials cannot end up in a log.
func (c *ManagementConfig) Validate() error {
	var f faults
	if len(c.Endpoints) == 0 {
		f.add("endpoints must name at least one node, got none")
	}
	for i, e := range c.Endpoints {
		// A parse error of net/url quotes the whole text, so its own words are not passed on.
		u, err := url.Parse(e)
		switch {
		case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "":
			f.add("endpoints[%d] must be http://host:port or https://host:port, got %q", i, withoutCredentials(e))
		case u.User != nil:
			f.add("endpoints[%d] must not hold credentials (they belong in username and password), got %q", i, withoutCredentials(e))
		}
	}
	if c.Username == "" {
		f.add(`username must be set, got ""`)
	}
	f.positive("timeout", c.Timeout)
	f.atLeast("max_connection_names", 2, int64(c.MaxConnectionNames))
	f.positive("connection_names_ttl", c.ConnectionNamesTTL)
	if !c.ConnectionNames && !c.EnableTracing {
		f.add("connection_names or enable_tracing must be true, got false for both")
	}
	return errors.Join(f...)
}

// Validate checks that a queue is named.
func (c *QueueConfig) Validate() error {
	var f faults
	f.queueName("name", c.Name)
	return errors.Join(f...)
}

// Validate checks queues, encoding and bounds.
func (c *OTLPConfig) Validate() error {
	var f faults
	for _, queue := range []struct{ key, name string }{
		{"queues::traces", c.Queues.Traces}, {"queues::logs", c.Queues.Logs}, {"queues::metrics", c.Queues.Metrics},
	} {
		f.queueName(queue.key, queue.name)
	}
	if c.Queues.Traces == c.Queues.Logs || c.Queues.Traces == c.Queues.Metrics || c.Queues.Logs == c.Queues.Metrics {
		f.add("queues must be one for each signal (a payload does not say which it holds), got traces %q, logs %q, metrics %q",
			c.Queues.Traces, c.Queues.Logs, c.Queues.Metrics)
	}
	if _, err := c.extension(); err != nil {
		f.add("encoding must be auto, otlp_proto, otlp_json or the id of an encoding extension, got %q", c.Encoding)
	}
	if c.Prefetch < 1 || c.Prefetch > 65535 {
		f.add("prefetch must be between 1 and 65535, got %d", c.Prefetch)
	}
	f.atLeast("max_body_bytes", 1, c.MaxBodyBytes)
	return errors.Join(f...)
}

// extension is the id of the encoding extension; nil if the encoding is one of our own.
func (c *OTLPConfig) extension() (*component.ID, error) {
	switch c.Encoding {
	case encodingAuto, encodingProto, encodingJSON:
		return nil, nil
	}
	id := new(component.ID)
	return id, id.UnmarshalText([]byte(c.Encoding))
}

// Validate checks the queue's type and that a routing key has an exchange.
func (c *DeclareConfig) Validate() error {
	var f faults
	if c.Type != "classic" && c.Type != "quorum" {
		f.add("type must be classic or quorum, got %q", c.Type)
	}
	if c.DeadLetterRoutingKey != "" && c.DeadLetterExchange == "" {
		f.add("dead_letter_exchange must be set with dead_letter_routing_key, got %q alone", c.DeadLetterRoutingKey)
	}
	return errors.Join(f...)
}

func (f *faults) queueName(key, name string) {
	if name == "" || len(name) > 255 {
		f.add("%s must name a queue in at most 255 bytes, got %q", key, name)
	}
}
