package journeyprocessor

import (
	"context"
	"sync"

	"go.opentelemetry.io/otel/metric"
	"go.uber.org/zap"

	"github.com/otelcol-journey/otelcol-journey/processor/journeyprocessor/internal/policy"
)

// conditionFailed counts failures of OTTL conditions, and logs the first of
// each: they are as many as there are spans.
func (t *telemetry) conditionFailed(logger *zap.Logger) conditionFailed {
	var logged sync.Map // by condition; bounded by the configuration
	return func(condition string, err error) {
		t.ProcessorJourneyConditionErrors.Add(context.Background(), 1)
		if _, known := logged.LoadOrStore(condition, true); !known {
			logger.Warn("condition fails and so does not hold; further failures are only counted",
				zap.String("condition", condition), zap.Error(err))
		}
	}
}

// observeLearned registers what is told of what has been learned.
func (t *telemetry) observeLearned(learned *policy.Learned) error {
	err := t.RegisterProcessorJourneyShapesCallback(func(_ context.Context, o metric.Int64Observer) error {
		told, _ := learned.Shapes()
		o.Observe(int64(told))
		return nil
	})
	if err != nil {
		return err
	}
	return t.RegisterProcessorJourneyShapesUntrackedCallback(func(_ context.Context, o metric.Int64Observer) error {
		_, untracked := learned.Shapes()
		o.Observe(untracked)
		return nil
	})
}
