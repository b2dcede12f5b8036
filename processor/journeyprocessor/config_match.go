package journeyprocessor

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"github.com/otelcol-journey/otelcol-journey/processor/journeyprocessor/internal/match"
)

// MatchConfig holds if one and the same span fulfils all of it. "*" in a text
// stands for any run of characters.
type MatchConfig struct {
	Service    string            `mapstructure:"service"`
	Span       string            `mapstructure:"span"`
	Kind       string            `mapstructure:"kind"`
	Status     string            `mapstructure:"status"`
	Attributes map[string]string `mapstructure:"attributes"` // of the span or its resource
	Root       bool              `mapstructure:"root"`       // only a span without a parent
	// Condition, EventCondition and ResourceCondition are OTTL, in the span, in
	// the span event and in the resource context; EventCondition asks for one
	// event of the span that fulfils it. What fails while it is evaluated does
	// not hold, and is counted.
	Condition         string `mapstructure:"condition"`
	EventCondition    string `mapstructure:"event_condition"`
	ResourceCondition string `mapstructure:"resource_condition"`
}

var kinds = map[string]ptrace.SpanKind{
	"internal": ptrace.SpanKindInternal, "server": ptrace.SpanKindServer, "client": ptrace.SpanKindClient,
	"producer": ptrace.SpanKindProducer, "consumer": ptrace.SpanKindConsumer,
}

var statuses = map[string]ptrace.StatusCode{
	"unset": ptrace.StatusCodeUnset, "ok": ptrace.StatusCodeOk, "error": ptrace.StatusCodeError,
}

var severities = map[string]plog.SeverityNumber{
	"TRACE": plog.SeverityNumberTrace, "DEBUG": plog.SeverityNumberDebug, "INFO": plog.SeverityNumberInfo,
	"WARN": plog.SeverityNumberWarn, "ERROR": plog.SeverityNumberError, "FATAL": plog.SeverityNumberFatal,
	"NONE": plog.SeverityNumberFatal4 + 1,
}

// Validate asks for at least one field: a match that every span fulfils is a
// mistake in every place where one can be written.
func (c *MatchConfig) Validate() error {
	var errs []error
	if c.isEmpty() {
		errs = append(errs, errors.New("match must ask for something (service, span, kind, status, attributes, root, condition, event_condition or resource_condition)"))
	}
	if c.Kind != "" {
		errs = append(errs, oneOf("kind", c.Kind, slices.Sorted(maps.Keys(kinds))...))
	}
	if c.Status != "" {
		errs = append(errs, oneOf("status", c.Status, slices.Sorted(maps.Keys(statuses))...))
	}
	return errors.Join(append(errs, c.compileExpressions(&match.Condition{}, ignoreFailure))...)
}

func (c *MatchConfig) isEmpty() bool {
	return c.Service == "" && c.Span == "" && c.Kind == "" && c.Status == "" && len(c.Attributes) == 0 && !c.Root &&
		c.Condition == "" && c.EventCondition == "" && c.ResourceCondition == ""
}

// compile makes the condition. Failed is called with each failure of one of
// its expressions, from any goroutine.
func (c *MatchConfig) compile(failed conditionFailed) (match.Condition, error) {
	m := match.Condition{Service: c.Service, Span: c.Span, Attributes: c.Attributes, Root: c.Root}
	if kind, ok := kinds[c.Kind]; ok {
		m.Kind = &kind
	}
	if status, ok := statuses[c.Status]; ok {
		m.Status = &status
	}
	return m, c.compileExpressions(&m, failed)
}

func (c *MatchConfig) compileExpressions(m *match.Condition, failed conditionFailed) error {
	var errs []error
	if c.Condition != "" {
		expression, err := compileSpanCondition(c.Condition, failed)
		if err == nil {
			expression, err = c.withoutPlainTerms(m, expression, failed)
		}
		errs = append(errs, prefixed("condition", err))
		m.Expression = expression
	}
	if c.EventCondition != "" {
		expression, err := compileEventCondition(c.EventCondition, failed)
		errs = append(errs, prefixed("event_condition", err))
		m.EventExpression = expression
	}
	if c.ResourceCondition != "" {
		expression, err := compileResourceCondition(c.ResourceCondition, failed)
		errs = append(errs, prefixed("resource_condition", err))
		m.ResourceExpression = expression
	}
	return errors.Join(errs...)
}

// withoutPlainTerms returns what is left of the whole condition when its plain
// terms have been added to m; nil for nothing.
func (c *MatchConfig) withoutPlainTerms(m *match.Condition, whole match.Expression, failed conditionFailed) (match.Expression, error) {
	switch rest := plainTerms(c.Condition, m); rest {
	case c.Condition:
		return whole, nil
	case "":
		return nil, nil
	default:
		return compileSpanCondition(rest, failed)
	}
}

// String writes what is set as a user does.
func (c *MatchConfig) String() string {
	var parts []string
	add := func(key, value string) {
		if value != "" {
			parts = append(parts, key+": "+value)
		}
	}
	add("service", c.Service)
	add("span", c.Span)
	add("kind", c.Kind)
	add("status", c.Status)
	for _, key := range slices.Sorted(maps.Keys(c.Attributes)) {
		add(key, c.Attributes[key])
	}
	if c.Root {
		add("root", "true")
	}
	add("condition", c.Condition)
	add("event_condition", c.EventCondition)
	add("resource_condition", c.ResourceCondition)
	return strings.Join(parts, ", ")
}

// Validate checks what belongs to this journey alone.
func (c *JourneyConfig) Validate() error {
	return errors.Join(
		required("name", c.Name),
		unique("steps", names(c.Steps, func(s StepConfig) string { return s.Name })),
	)
}

// Validate checks the name.
func (c *StepConfig) Validate() error { return required("name", c.Name) }

func parseSeverity(s string) (plog.SeverityNumber, error) {
	n, ok := severities[strings.ToUpper(s)]
	if !ok {
		return 0, fmt.Errorf("must be TRACE, DEBUG, INFO, WARN, ERROR, FATAL or NONE, got %q", s)
	}
	return n, nil
}

func names[T any](list []T, name func(T) string) []string {
	all := make([]string, len(list))
	for i, v := range list {
		all[i] = name(v)
	}
	return all
}

func unique(key string, names []string) error {
	var errs []error
	first := map[string]int{}
	for i, name := range names {
		if at, ok := first[name]; ok && name != "" {
			errs = append(errs, fmt.Errorf("%s::%d::name: %q is also the name of %s::%d", key, i, name, key, at))
			continue
		}
		first[name] = i
	}
	return errors.Join(errs...)
}

func required(key, value string) error {
	if value == "" {
		return fmt.Errorf("%s must be set", key)
	}
	return nil
}

func oneOf(key, value string, allowed ...string) error {
	if slices.Contains(allowed, value) {
		return nil
	}
	return fmt.Errorf("%s must be one of %s, got %q", key, strings.Join(allowed, ", "), value)
}

// prefixed says of what key an error is.
func prefixed(key string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", key, err)
}

func positive[N int | time.Duration | ByteSize](key string, n N) error {
	if n <= 0 {
		return fmt.Errorf("%s must be positive, got %v", key, n)
	}
	return nil
}

func notNegative[N int | time.Duration](key string, n N) error {
	if n < 0 {
		return fmt.Errorf("%s must not be negative, got %v", key, n)
	}
	return nil
}

func atLeast(key string, d Duration, otherKey string, other Duration) error {
	if d.d < other.d {
		return fmt.Errorf("%s must be at least %s (%v), got %v", key, otherKey, other, d)
	}
	return nil
}
