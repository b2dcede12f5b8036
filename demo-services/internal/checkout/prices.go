package checkout

import (
	"context"
	"fmt"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/otelcol-journey/otelcol-journey/demo-services/internal/catalog"
	"github.com/otelcol-journey/otelcol-journey/demo-services/internal/store"
)

const (
	// priceLife is how long a price stays in the cache: at the demo's rate some
	// carts find all prices there and some do not.
	priceLife = 2 * time.Second
	// lockWait is above the second from which the published configuration calls
	// a journey slow.
	lockWait = 1350 * time.Millisecond
)

// priceList reads prices through a cache.
type priceList struct {
	tracer   trace.Tracer
	redis    *store.Store
	database *store.Store
	prices   map[string]int64 // the table, never written
	now      func() time.Time

	mu     sync.Mutex           // guards cached, a leaf
	cached map[string]time.Time // until when
}

func newPriceList(tracer trace.Tracer, redis, database *store.Store) *priceList {
	return &priceList{
		tracer: tracer, redis: redis, database: database,
		prices: catalog.Prices(), now: time.Now, cached: map[string]time.Time{},
	}
}

// total adds up the prices of the items. An unknown item is an error.
func (p *priceList) total(ctx context.Context, items []string) (int64, error) {
	ctx, span := p.tracer.Start(ctx, "price cart", trace.WithAttributes(attribute.Int("shop.cart.items", len(items))))
	defer span.End()
	var missing []string
	read := store.Call{Operation: "MGET", Collection: "price", Text: "MGET price:?"}
	err := p.redis.Do(ctx, read, func() error {
		missing = p.missing(items)
		return nil
	})
	if err == nil && len(missing) > 0 {
		err = p.load(ctx, missing)
	}
	if err != nil {
		span.SetStatus(codes.Error, err.Error())
		return 0, err
	}
	var total int64
	for _, item := range items {
		total += p.prices[item]
	}
	span.SetAttributes(attribute.Int("shop.cache.misses", len(missing)), attribute.Int64("shop.total_amount", total))
	return total, nil
}

func (p *priceList) missing(items []string) []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var missing []string
	for _, item := range items {
		if p.now().After(p.cached[item]) {
			missing = append(missing, item)
		}
	}
	return missing
}

func (p *priceList) load(ctx context.Context, items []string) error {
	query := store.Call{Operation: "SELECT", Collection: "prices", Text: "SELECT item, cents FROM prices WHERE item = ANY($1) FOR SHARE"}
	if catalog.Has(items, catalog.Slow) {
		query.Delay = lockWait
	}
	return p.database.Do(ctx, query, func() error {
		p.mu.Lock()
		defer p.mu.Unlock()
		for _, item := range items {
			if _, ok := p.prices[item]; !ok {
				return fmt.Errorf("item %q is not in the catalog", item)
			}
			if item != catalog.Slow { // its lock is there every time
				p.cached[item] = p.now().Add(priceLife)
			}
		}
		return nil
	})
}
