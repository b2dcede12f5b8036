package journeyprocessor

import (
	"errors"
	"fmt"
	"reflect"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/config/configretry"
	"go.opentelemetry.io/collector/confmap"
)

// Config is what a user writes under `journey:`.
type Config struct {
	// Journeys gives names to what one user action sets off. The first whose
	// match holds for any span of a trace gives it its name; a trace without
	// one is named "<root service> <root span>".
	Journeys   []JourneyConfig  `mapstructure:"journeys"`
	Completion CompletionConfig `mapstructure:"completion"`
	Outcome    OutcomeConfig    `mapstructure:"outcome"`
	Sampling   SamplingConfig   `mapstructure:"sampling"`
	Buffer     BufferConfig     `mapstructure:"buffer"`
	Decisions  DecisionsConfig  `mapstructure:"decisions"`
	Release    ReleaseConfig    `mapstructure:"release"`
	Logs       LogsConfig       `mapstructure:"logs"`
	Telemetry  TelemetryConfig  `mapstructure:"telemetry"`
	// Storage is the id of a storage extension, such as file_storage. With it,
	// a stop saves what waits and the memory of decisions, and the next start
	// goes on with both. Without it a stop decides what waits.
	Storage *component.ID `mapstructure:"storage"`
	// Reporter is the id of an extension that shows journeys, such as journeys.
	// Without it nothing is collected for it.
	Reporter *component.ID `mapstructure:"reporter"`

	// prevent unkeyed literal initialization
	_ struct{}
}

// JourneyConfig is one named journey.
type JourneyConfig struct {
	Name  string      `mapstructure:"name"`
	Match MatchConfig `mapstructure:"match"`
	// Steps are parts without which the journey is incomplete. It waits for
	// them as for anything else that is missing.
	Steps []StepConfig `mapstructure:"steps"`
	// Completion is how this journey waits, where that differs from others.
	Completion CompletionOverride `mapstructure:"completion"`
}

// StepConfig is one step of a journey.
type StepConfig struct {
	Name  string      `mapstructure:"name"`
	Match MatchConfig `mapstructure:"match"`
}

// CompletionConfig says how long a trace waits for its decision.
type CompletionConfig struct {
	// Quiet is how long nothing new must have arrived of a trace of which
	// nothing is missing. It should be longer than the services' export
	// interval (5 s for the SDKs' batch span processor).
	Quiet Duration `mapstructure:"quiet"`
	// MissingWait is how long after its last span a trace waits while its
	// root, a parent or a step is missing, or the answer to a call that is
	// usually answered.
	MissingWait Duration `mapstructure:"missing_wait"`
	// MessageWait is how long after its last span a trace waits while a
	// message that amqp_trace saw published has not been delivered, or one of
	// a producer whose messages are usually consumed has no consumer's span.
	MessageWait Duration `mapstructure:"message_wait"`
	// MaxWait is how long after its first span a trace is decided in any case.
	MaxWait Duration `mapstructure:"max_wait"`
}

// OutcomeConfig says what makes a journey an error or incomplete.
type OutcomeConfig struct {
	// Error is any_span (an error status anywhere), root_span (only there) or
	// condition (a span that fulfils Condition).
	Error string `mapstructure:"error"`
	// Condition goes with error: condition, and only with it.
	Condition *MatchConfig `mapstructure:"condition"`
	// MissingRoot is incomplete, or ok for services that are called by others
	// who propagate a context and send no spans.
	MissingRoot string `mapstructure:"missing_root"`
	// DeadLettered is incomplete, or ok: of a journey of which a message was
	// delivered from a dead-letter queue, and not taken back.
	DeadLettered string `mapstructure:"dead_lettered"`
}

// SamplingConfig says what is kept.
type SamplingConfig struct {
	// Rules are read from the top; the first that matches is final. What no
	// rule matches is kept.
	Rules       []RuleConfig      `mapstructure:"rules"`
	Percentiles PercentilesConfig `mapstructure:"percentiles"`
	Shapes      ShapesConfig      `mapstructure:"shapes"`
	// Budget lowers what the rules keep to what may leave. None: no limit.
	Budget *BudgetConfig `mapstructure:"budget"`
	// Shadow is other sampling that only counts what it would keep.
	Shadow *ShadowConfig `mapstructure:"shadow"`
}

// BufferConfig bounds the memory of what waits.
type BufferConfig struct {
	// Memory is for all that waits, for a decision or for the next component.
	// At half of it the oldest traces are parked early, at 80 % decided early,
	// at 90 % rules that keep less than everything keep less; at all of it
	// batches are refused with a retryable error.
	Memory ByteSize `mapstructure:"memory"`
	// Trace is for a single trace. One that reaches it is decided early, and
	// what comes later of it follows that decision.
	Trace ByteSize `mapstructure:"trace"`
	// ParkAfter is how long records wait in the bundles they came in. Then a
	// trace that most others of its bundles have left is compressed alone.
	// Sooner at half of Memory.
	ParkAfter Duration `mapstructure:"park_after"`
	// Recall is the part of Memory in which dropped traces are held, in case an
	// error comes late for which they are kept after all. The oldest are freed
	// first, and all of it before anything is parked early. 0 holds none; a
	// late error is then kept alone.
	Recall ByteSize `mapstructure:"recall"`
}

// DecisionsConfig bounds the memory of decisions, by which late spans follow
// the decision about their trace. At most 32 bytes for a kept one and 8 for a
// dropped one, taken as decisions are made; the oldest quarter is forgotten at
// once to make room.
type DecisionsConfig struct {
	Kept    int `mapstructure:"kept"`
	Dropped int `mapstructure:"dropped"`
	// Ledger is how many decisions, kept and dropped, can be looked up with
	// what was known of the journey; some 750 bytes each, at most 4 KiB.
	Ledger int `mapstructure:"ledger"`
}

// ReleaseConfig says how kept journeys leave.
type ReleaseConfig struct {
	// MaxBatch and MaxBatchBytes are how many spans or log records, and how
	// many bytes of them, a batch holds at most; a single trace of more
	// records goes out in one batch, one of more bytes in several. The default
	// of 2 MiB stays under the 4 MiB that gRPC servers accept by default.
	MaxBatch      int      `mapstructure:"max_batch"`
	MaxBatchBytes ByteSize `mapstructure:"max_batch_bytes"`
	// Consumers is how many batches of a signal may be on their way at once.
	Consumers int `mapstructure:"consumers"`
	// Retry is for batches that the next component refuses for now. By
	// default it never gives up: the buffer fills and senders are held back.
	Retry configretry.BackOffConfig `mapstructure:"retry"`
	// MetadataKeys are the keys of the client metadata, such as a tenant
	// header, that records leave with as they came. Batches are not mixed
	// between different values of them.
	MetadataKeys []string `mapstructure:"metadata_keys"`
	// ShutdownTimeout is how long a stop goes on offering what is kept to a
	// component that refuses it. What is left then is counted as lost.
	ShutdownTimeout Duration `mapstructure:"shutdown_timeout"`
}

// LogsConfig says what becomes of log records.
type LogsConfig struct {
	// AlwaysKeep is the lowest severity (TRACE, DEBUG, INFO, WARN, ERROR,
	// FATAL) that is kept at once, whatever becomes of its journey; NONE for
	// no such severity.
	AlwaysKeep string `mapstructure:"always_keep"`
	// WithoutTrace is keep or drop, for records without a trace id.
	WithoutTrace string `mapstructure:"without_trace"`
	// WaitForSpans is how long records wait for the first span of their trace.
	// After that the rules decide about them alone.
	WaitForSpans Duration `mapstructure:"wait_for_spans"`
}

// TelemetryConfig bounds the processor's own metrics.
type TelemetryConfig struct {
	// MaxJourneys is how many journey names metrics tell apart; the rest is
	// counted as "other".
	MaxJourneys int `mapstructure:"max_journeys"`
}

var (
	_ confmap.Validator   = (*Config)(nil)
	_ confmap.Unmarshaler = (*Config)(nil)
)

// Unmarshal reads the configuration. A number where one with a unit is asked
// for reaches that setting's own reading, whose error names the value.
func (c *Config) Unmarshal(conf *confmap.Conf) error {
	type plain Config // without this method, which would be called again
	raw := asTexts(reflect.TypeFor[Config](), conf.ToStringMap())
	return confmap.NewFromStringMap(raw.(map[string]any)).Unmarshal((*plain)(c))
}

func createDefaultConfig() *Config {
	retry := configretry.NewDefaultBackOffConfig()
	retry.InitialInterval = 100 * time.Millisecond
	retry.MaxElapsedTime = 0
	return &Config{
		Completion: CompletionConfig{
			Quiet: Duration{10 * time.Second}, MissingWait: Duration{30 * time.Second},
			MessageWait: Duration{15 * time.Minute}, MaxWait: Duration{30 * time.Minute},
		},
		Outcome: OutcomeConfig{Error: "any_span", MissingRoot: "incomplete", DeadLettered: "incomplete"},
		Sampling: SamplingConfig{
			Percentiles: PercentilesConfig{MinJourneys: 200, Window: Duration{10 * time.Minute}},
			Shapes:      ShapesConfig{Max: 10_000},
		},
		Buffer:    BufferConfig{Memory: 512 << 20, Trace: 32 << 20, ParkAfter: Duration{10 * time.Second}, Recall: 8 << 20},
		Decisions: DecisionsConfig{Kept: 250_000, Dropped: 2_000_000, Ledger: 10_000},
		Release: ReleaseConfig{
			MaxBatch: 4096, MaxBatchBytes: 2 << 20, Consumers: 4, Retry: retry,
			ShutdownTimeout: Duration{10 * time.Second},
		},
		Logs:      LogsConfig{AlwaysKeep: "WARN", WithoutTrace: "keep", WaitForSpans: Duration{30 * time.Second}},
		Telemetry: TelemetryConfig{MaxJourneys: 200},
	}
}

// Validate reports every fault at once. Faults inside a part are reported by
// that part's own Validate, which the Collector calls.
func (c *Config) Validate() error {
	errs := []error{
		unique("journeys", names(c.Journeys, func(j JourneyConfig) string { return j.Name })),
		unique("sampling::rules", names(c.Sampling.Rules, func(r RuleConfig) string { return r.Name })),
	}
	known := map[string]bool{}
	for i := range c.Journeys {
		j := &c.Journeys[i]
		known[j.Name] = true
		if j.Completion != (CompletionOverride{}) {
			own := j.Completion.over(c.Completion)
			errs = append(errs, prefixed(fmt.Sprintf("journeys::%d::completion", i), own.Validate()))
		}
	}
	for i := range c.Sampling.Rules {
		errs = append(errs, c.Sampling.Rules[i].checkJourneys(fmt.Sprintf("sampling::rules::%d", i), known))
	}
	errs = append(errs, c.Sampling.Shadow.checkJourneys("sampling::shadow", known))
	return errors.Join(errs...)
}

// Validate checks that waits grow in the order in which they are described.
func (c *CompletionConfig) Validate() error {
	return errors.Join(
		positive("quiet", c.Quiet.d),
		atLeast("missing_wait", c.MissingWait, "quiet", c.Quiet),
		atLeast("message_wait", c.MessageWait, "quiet", c.Quiet),
		atLeast("max_wait", c.MaxWait, "message_wait", c.MessageWait),
		atLeast("max_wait", c.MaxWait, "missing_wait", c.MissingWait),
	)
}

// Validate checks the words.
func (c *OutcomeConfig) Validate() error {
	errs := []error{
		oneOf("error", c.Error, "any_span", "root_span", "condition"),
		oneOf("missing_root", c.MissingRoot, "incomplete", "ok"),
		oneOf("dead_lettered", c.DeadLettered, "incomplete", "ok"),
	}
	switch hasOne := c.Condition != nil; {
	case c.Error == "condition" && !hasOne:
		errs = append(errs, errors.New("condition must be set with error: condition"))
	case c.Error != "condition" && hasOne:
		errs = append(errs, fmt.Errorf("condition is only for error: condition, got error: %s", c.Error))
	}
	return errors.Join(errs...)
}

// Validate checks that a trace fits into the buffer.
func (c *BufferConfig) Validate() error {
	var errs []error
	if c.Memory < minMemory {
		errs = append(errs, fmt.Errorf("memory must be at least %s, got %s", ByteSize(minMemory), c.Memory))
	}
	if c.Trace <= 0 || c.Trace > c.Memory/4 {
		errs = append(errs, fmt.Errorf("trace must be between 1B and a quarter of memory (%s), got %s", c.Memory/4, c.Trace))
	}
	if err := positive("park_after", c.ParkAfter.d); err != nil {
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// Validate checks the counts.
func (c *DecisionsConfig) Validate() error {
	return errors.Join(
		notNegative("kept", c.Kept), notNegative("dropped", c.Dropped), notNegative("ledger", c.Ledger),
	)
}

// Validate checks the counts.
func (c *ReleaseConfig) Validate() error {
	return errors.Join(
		positive("max_batch", c.MaxBatch), positive("max_batch_bytes", c.MaxBatchBytes),
		positive("consumers", c.Consumers), positive("shutdown_timeout", c.ShutdownTimeout.d),
	)
}

// Validate checks the words.
func (c *LogsConfig) Validate() error {
	_, err := parseSeverity(c.AlwaysKeep)
	if err != nil {
		err = fmt.Errorf("always_keep %w", err)
	}
	return errors.Join(err,
		oneOf("without_trace", c.WithoutTrace, "keep", "drop"),
		positive("wait_for_spans", c.WaitForSpans.d),
	)
}

// Validate checks the count.
func (c *TelemetryConfig) Validate() error { return positive("max_journeys", c.MaxJourneys) }
