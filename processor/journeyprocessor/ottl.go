package journeyprocessor

import (
	"context"
	"fmt"

	"github.com/open-telemetry/opentelemetry-collector-contrib/pkg/ottl"
	"github.com/open-telemetry/opentelemetry-collector-contrib/pkg/ottl/contexts/ottlresource"
	"github.com/open-telemetry/opentelemetry-collector-contrib/pkg/ottl/contexts/ottlspan"
	"github.com/open-telemetry/opentelemetry-collector-contrib/pkg/ottl/contexts/ottlspanevent"
	"github.com/open-telemetry/opentelemetry-collector-contrib/pkg/ottl/ottlfuncs"
	"go.opentelemetry.io/collector/component"
	"go.uber.org/zap"

	"github.com/otelcol-journey/otelcol-journey/processor/journeyprocessor/internal/match"
)

// conditionFailed is told of each failure of an OTTL condition while it is
// evaluated, from any goroutine.
type conditionFailed func(condition string, err error)

func ignoreFailure(string, error) {}

// compileSpanCondition compiles OTTL in the span context, with the standard
// converters and IsRootSpan. Paths may leave the context out.
func compileSpanCondition(text string, failed conditionFailed) (match.Expression, error) {
	functions := ottlfuncs.StandardConverters[*ottlspan.TransformContext]()
	isRoot := ottlfuncs.NewIsRootSpanFactoryNew()
	functions[isRoot.Name()] = isRoot
	parser, err := ottlspan.NewParser(functions, silent, ottlspan.EnablePathContextNames())
	if err != nil {
		return nil, fmt.Errorf("make a parser of span conditions: %w", err)
	}
	return compileCondition(&parser, ottlspan.ContextName, text, failed)
}

// compileEventCondition does the same in the span event context.
func compileEventCondition(text string, failed conditionFailed) (match.EventExpression, error) {
	functions := ottlfuncs.StandardConverters[*ottlspanevent.TransformContext]()
	parser, err := ottlspanevent.NewParser(functions, silent, ottlspanevent.EnablePathContextNames())
	if err != nil {
		return nil, fmt.Errorf("make a parser of span event conditions: %w", err)
	}
	return compileCondition(&parser, ottlspanevent.ContextName, text, failed)
}

// compileResourceCondition does the same in the resource context.
func compileResourceCondition(text string, failed conditionFailed) (match.ResourceExpression, error) {
	functions := ottlfuncs.StandardConverters[*ottlresource.TransformContext]()
	parser, err := ottlresource.NewParser(functions, silent, ottlresource.EnablePathContextNames())
	if err != nil {
		return nil, fmt.Errorf("make a parser of resource conditions: %w", err)
	}
	return compileCondition(&parser, ottlresource.ContextName, text, failed)
}

// silent is for parsers, which would log what they are asked to parse: faults
// are returned.
var silent = component.TelemetrySettings{Logger: zap.NewNop()}

// compileCondition goes by a collection of one parser, because only that adds
// the context to paths that leave it out.
func compileCondition[C any](parser *ottl.Parser[C], name, text string, failed conditionFailed) (func(C) bool, error) {
	single := func(
		_ *ottl.ParserCollection[*ottl.Condition[C]], _ ottl.ConditionsGetter, parsed []*ottl.Condition[C],
	) (*ottl.Condition[C], error) {
		return parsed[0], nil
	}
	collection, err := ottl.NewParserCollection(silent,
		ottl.WithParserCollectionContext(name, parser, ottl.WithConditionConverter(single)))
	if err != nil {
		return nil, fmt.Errorf("make a parser of conditions: %w", err)
	}
	condition, err := collection.ParseConditionsWithContext(name, ottl.NewConditionsGetter([]string{text}), true)
	if err != nil {
		return nil, fmt.Errorf("compile %q: %w", text, err)
	}
	return func(c C) bool {
		holds, err := condition.Eval(context.Background(), c)
		if err != nil {
			failed(text, err)
			return false
		}
		return holds
	}, nil
}
