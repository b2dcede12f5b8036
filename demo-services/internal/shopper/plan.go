// Package shopper makes the shop's traffic: a plan with exact shares, an open
// loop that sends it at a stated rate, and a file with the truth about it.
//
// Read settings.go, plan.go, journey.go, load.go, ledger.go, truth.go.
package shopper

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"

	"github.com/otelcol-journey/otelcol-journey/demo-services/internal/catalog"
	"github.com/otelcol-journey/otelcol-journey/demo-services/internal/env"
)

// Journeys of the shop, as the published configuration names them.
const (
	Checkout     = "checkout"
	OrderHistory = "order history"
	Restock      = "restock"
	GiftCard     = "gift card"
)

// Classes of journeys.
const (
	OK           = "ok"
	Failed       = "failed"
	Slow         = "slow"
	Retried      = "retried"
	DeadLettered = "dead_lettered"
	Unroutable   = "unroutable"
	Lost         = "lost"
	// Unplanned is never in a plan: it is for journeys that went another way.
	Unplanned = "unplanned"
)

// classes says which classes a journey can have besides OK.
var classes = map[string][]string{
	Checkout:     {Failed, Slow, Retried, DeadLettered, Unroutable, Lost},
	OrderHistory: {Failed},
	Restock:      nil,
	GiftCard:     nil,
}

// Visit is one journey as planned.
type Visit struct {
	Journey string
	Class   string
	Items   []string // of a checkout, or the one article of a restock
	User    string   // of an order history or a gift card
}

// Mix is the shares of journeys and, per journey, those of its classes.
type Mix struct {
	Journeys []env.Share            // together 100
	Classes  map[string][]env.Share // by journey; the rest is OK
}

// NewMix checks that the names exist and that the journeys add up.
func NewMix(journeys []env.Share, byJourney map[string][]env.Share) (Mix, error) {
	var sum float64
	for i, s := range journeys {
		journeys[i].Name = strings.ReplaceAll(s.Name, "_", " ") // as it has to be written in a variable
		if _, ok := classes[journeys[i].Name]; !ok {
			return Mix{}, fmt.Errorf("there is no journey %q", s.Name)
		}
		sum += s.Percent
	}
	if sum < 100-1e-9 {
		return Mix{}, fmt.Errorf("journeys add up to %g percent, not 100", sum)
	}
	for journey, shares := range byJourney {
		for _, s := range shares {
			if !slices.Contains(classes[journey], s.Name) {
				return Mix{}, fmt.Errorf("%s has no class %q", journey, s.Name)
			}
		}
	}
	return Mix{Journeys: journeys, Classes: byJourney}, nil
}

// Plan returns n visits in a random order that depends on the seed alone. The
// shares are quotas, not chances: every journey and class with a share above 0
// occurs at least once, or there is an error.
func Plan(n int, mix Mix, seed int64) ([]Visit, error) {
	random := rand.New(rand.NewPCG(uint64(seed), 1)) //nolint:gosec // repeatable on purpose
	byJourney, err := quotas(n, mix.Journeys)
	if err != nil {
		return nil, err
	}
	var plan []Visit
	for i, j := range mix.Journeys {
		byClass, err := quotas(byJourney[i], withOK(mix.Classes[j.Name]))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", j.Name, err)
		}
		for k, c := range withOK(mix.Classes[j.Name]) {
			for range byClass[k] {
				plan = append(plan, visit(j.Name, c.Name, random))
			}
		}
	}
	random.Shuffle(len(plan), func(a, b int) { plan[a], plan[b] = plan[b], plan[a] })
	return plan, nil
}

func withOK(shares []env.Share) []env.Share {
	rest := 100.0
	for _, s := range shares {
		rest -= s.Percent
	}
	return append([]env.Share{{Name: OK, Percent: max(rest, 0)}}, shares...)
}

// quotas shares n out by the method of largest remainders, with at least one for
// every share above 0; what those minimums take comes from the largest.
func quotas(n int, shares []env.Share) ([]int, error) {
	counts := make([]int, len(shares))
	remainders := make([]float64, len(shares))
	wanted, given := 0, 0
	for i, s := range shares {
		exact := float64(n) * s.Percent / 100
		counts[i] = int(exact + 1e-9)
		remainders[i] = exact - float64(counts[i])
		if s.Percent > 0 {
			wanted++
			if counts[i] == 0 {
				counts[i], remainders[i] = 1, 0
			}
		}
		given += counts[i]
	}
	if n > 0 && n < wanted {
		return nil, fmt.Errorf("%d are too few for %d shares: raise the rate or the duration", n, wanted)
	}
	if n == 0 {
		return make([]int, len(shares)), nil
	}
	for ; given < n; given++ {
		i := largest(remainders)
		counts[i]++
		remainders[i] = 0
	}
	for ; given > n; given-- {
		counts[largest(counts)]--
	}
	return counts, nil
}

// largest returns the first index of the largest value.
func largest[N int | float64](values []N) int {
	return slices.Index(values, slices.Max(values))
}

// trouble is the article that brings a class about.
var trouble = map[string]string{
	Failed: catalog.Declined, Slow: catalog.Slow, Retried: catalog.Retried,
	DeadLettered: catalog.DeadLettered, Unroutable: catalog.Unroutable, Lost: catalog.Lost,
}

func visit(journey, class string, random *rand.Rand) Visit {
	v := Visit{Journey: journey, Class: class}
	switch journey {
	case Checkout:
		for range 1 + random.IntN(4) {
			v.Items = append(v.Items, catalog.Article(random.IntN(catalog.Size)))
		}
		if article := trouble[class]; article != "" {
			v.Items[random.IntN(len(v.Items))] = article
		}
	case Restock:
		v.Items = []string{catalog.Article(random.IntN(catalog.Size))}
	default:
		v.User = strconv.Itoa(1 + random.IntN(catalog.LastUser))
		if class == Failed {
			v.User = strconv.Itoa(catalog.UnknownUser)
		}
	}
	return v
}
