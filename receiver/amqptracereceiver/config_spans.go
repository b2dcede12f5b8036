package amqptracereceiver

import (
	"errors"
	"slices"
	"strings"
)

// SpansConfig says what the spans look like and which messages give one.
type SpansConfig struct {
	ServiceName string `mapstructure:"service_name"`
	// Kind is internal, or messaging for a broker that shows as a node in service graphs.
	Kind string `mapstructure:"kind"`
	// Relation is parent, or link for spans in a trace of their own that links to the application's.
	Relation string `mapstructure:"relation"`
	// DeadLetter is event, or span for a span of its own besides the event.
	DeadLetter string `mapstructure:"dead_letter"`
	// MissingContext is what to do with a message without context: drop, new_trace or correlation_id.
	MissingContext string `mapstructure:"missing_context"`
	// RespectSampledFlag skips messages whose context says that its trace is not recorded.
	RespectSampledFlag bool `mapstructure:"respect_sampled_flag"`
	// PublisherTime takes the publisher's own timestamp, in whole seconds of its clock, where the broker
	// has left none.
	PublisherTime bool `mapstructure:"publisher_time"`
}

// AttributesConfig lists what is taken over from messages besides the message's own properties.
type AttributesConfig struct {
	// Headers and Baggage are keys, in any letter case for headers; empty takes none.
	Headers []string `mapstructure:"headers"`
	Baggage []string `mapstructure:"baggage"`
	// BodySize adds the length of the body, which itself is never looked at.
	BodySize bool `mapstructure:"body_size"`
}

// TrustConfig says whose span contexts are believed: a message's if its publisher or its vhost is
// listed, everybody's if nothing is. Others count as missing.
type TrustConfig struct {
	Users  []string `mapstructure:"users"`
	VHosts []string `mapstructure:"vhosts"`
}

// The choices of SpansConfig.
const (
	kindInternal  = "internal"
	kindMessaging = "messaging"

	relationParent = "parent"
	relationLink   = "link"

	deadLetterEvent = "event"
	deadLetterSpan  = "span"

	missingDrop          = "drop"
	missingNewTrace      = "new_trace"
	missingCorrelationID = "correlation_id"
)

func defaultSpans() SpansConfig {
	return SpansConfig{
		ServiceName:        "rabbitmq",
		Kind:               kindInternal,
		Relation:           relationParent,
		DeadLetter:         deadLetterEvent,
		MissingContext:     missingDrop,
		RespectSampledFlag: true,
	}
}

func (f *faults) oneOf(key, found string, choices ...string) {
	if !slices.Contains(choices, found) {
		f.add("%s must be %s, got %q", key, strings.Join(choices, " or "), found)
	}
}

// Validate checks the choices and that the broker has a name in the trace.
func (c *SpansConfig) Validate() error {
	var f faults
	if c.ServiceName == "" {
		f.add(`service_name must be set, got ""`)
	}
	f.oneOf("kind", c.Kind, kindInternal, kindMessaging)
	f.oneOf("relation", c.Relation, relationParent, relationLink)
	f.oneOf("dead_letter", c.DeadLetter, deadLetterEvent, deadLetterSpan)
	f.oneOf("missing_context", c.MissingContext, missingDrop, missingNewTrace, missingCorrelationID)
	return errors.Join(f...)
}

// Validate checks that every key is one.
func (c *AttributesConfig) Validate() error {
	var f faults
	f.noneEmpty("headers", c.Headers)
	f.noneEmpty("baggage", c.Baggage)
	return errors.Join(f...)
}

// Validate checks that every name is one: an empty user would be a tap's message without a user.
func (c *TrustConfig) Validate() error {
	var f faults
	f.noneEmpty("users", c.Users)
	f.noneEmpty("vhosts", c.VHosts)
	return errors.Join(f...)
}

func (f *faults) noneEmpty(key string, values []string) {
	for i, v := range values {
		if v == "" {
			f.add("%s[%d] must not be empty", key, i)
		}
	}
}

// validatePropagators checks the names, and that what depends on one has it.
func (c *Config) validatePropagators() (f faults) {
	known := append(contextPropagators(), propagatorBaggage)
	seen := map[string]bool{}
	for i, name := range c.Propagators {
		if !slices.Contains(known, name) {
			f.add("propagators[%d] must be one of %s, got %q", i, strings.Join(known, ", "), name)
		}
		if seen[name] {
			f.add("propagators[%d] must not repeat an earlier one, got %q", i, name)
		}
		seen[name] = true
	}
	if len(c.Attributes.Baggage) > 0 && !seen[propagatorBaggage] {
		f.add("propagators must hold baggage if attributes::baggage is set, got %q", c.Propagators)
	}
	delete(seen, propagatorBaggage)
	if len(seen) == 0 && c.Spans.MissingContext == missingDrop {
		f.add("propagators must hold at least one of %s unless spans::missing_context makes traces, got %q",
			strings.Join(contextPropagators(), ", "), c.Propagators)
	}
	return f
}
