package grafana

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/textparse"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/util/teststorage"
)

const (
	// lookback is how old a sample may be, as in Prometheus by default.
	lookback = 5 * time.Minute
	// maxSamples is far above what a test scrapes.
	maxSamples   = 10_000_000
	queryTimeout = 30 * time.Second
)

// Samples are what was scraped, kept and asked as Prometheus does. One goroutine
// may use them. Close them in the end.
type Samples struct {
	storage *teststorage.TestStorage
	engine  *promql.Engine
}

// NewSamples keeps samples in a temporary folder.
func NewSamples() (*Samples, error) {
	storage, err := teststorage.NewWithError()
	if err != nil {
		return nil, fmt.Errorf("make a store for samples: %w", err)
	}
	return &Samples{storage: storage, engine: promql.NewEngine(promql.EngineOpts{
		Timeout: queryTimeout, MaxSamples: maxSamples, LookbackDelta: lookback, Parser: promQL,
	})}, nil
}

// Close lets go of all samples.
func (s *Samples) Close() error {
	return errors.Join(s.engine.Close(), s.storage.Close())
}

// Add keeps what a scrape at this time has answered, with the labels of its target.
func (s *Samples) Add(answer []byte, contentType string, at time.Time, target map[string]string) error {
	scraped, err := textparse.New(answer, contentType, labels.NewSymbolTable(), textparse.ParserOptions{
		FallbackContentType: "text/plain",
	})
	if err != nil {
		return fmt.Errorf("read a scrape: %w", err)
	}
	add := s.storage.Appender(context.Background())
	for {
		entry, err := scraped.Next()
		if errors.Is(err, io.EOF) {
			return add.Commit()
		}
		if err != nil {
			return errors.Join(fmt.Errorf("read a scrape: %w", err), add.Rollback())
		}
		if entry != textparse.EntrySeries {
			continue
		}
		var series labels.Labels
		scraped.Labels(&series)
		_, _, value := scraped.Series()
		if _, err := add.Append(0, with(series, target), at.UnixMilli(), value); err != nil {
			return errors.Join(fmt.Errorf("keep %s: %w", series, err), add.Rollback())
		}
	}
}

func with(series labels.Labels, more map[string]string) labels.Labels {
	b := labels.NewBuilder(series)
	for name, value := range more {
		b.Set(name, value)
	}
	return b.Labels()
}

// Query returns the series that the expression has at this time, without those
// that are not a number: Grafana shows nothing for them.
func (s *Samples) Query(ctx context.Context, expr string, at time.Time) (promql.Vector, error) {
	query, err := s.engine.NewInstantQuery(ctx, s.storage, nil, expr, at)
	if err != nil {
		return nil, fmt.Errorf("query %s: %w", expr, err)
	}
	defer query.Close()
	result := query.Exec(ctx)
	if result.Err != nil {
		return nil, fmt.Errorf("query %s: %w", expr, result.Err)
	}
	vector, err := result.Vector()
	if err != nil {
		return nil, fmt.Errorf("query %s: %w", expr, err)
	}
	var out promql.Vector
	for _, sample := range vector {
		if !math.IsNaN(sample.F) && !math.IsInf(sample.F, 0) {
			out = append(out, sample)
		}
	}
	return out, nil
}
