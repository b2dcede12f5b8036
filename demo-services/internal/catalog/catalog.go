// Package catalog is what the shop sells, and to whom. Like the test card numbers of a
// payment provider, some articles have a fixed effect on whoever handles them:
// that is how the shopper knows the outcome of a journey before it begins.
package catalog

import (
	"fmt"
	"slices"
)

// Articles with an effect. Every other article goes through without trouble.
const (
	// Declined makes the payment fail.
	Declined = "sku-declined"
	// Slow makes its price wait for a lock.
	Slow = "sku-slow"
	// Retried makes stock fail the first two attempts.
	Retried = "sku-retried"
	// DeadLettered makes stock fail every attempt.
	DeadLettered = "sku-dead-lettered"
	// Unroutable makes checkout publish with a key that nothing is bound to.
	Unroutable = "sku-unroutable"
	// Lost makes stock acknowledge the message without doing its work.
	Lost = "sku-lost"
)

// Ordinary articles are numbered from firstSKU.
const (
	firstSKU = 1001
	ordinary = 40
)

// LastUser is the highest number of a user; they begin at 1. UnknownUser is known
// not to exist.
const (
	LastUser    = 998
	UnknownUser = 999
)

// Size is the number of ordinary articles.
const Size = ordinary

// Article returns the name of the n-th ordinary article, counted from 0 and
// going round.
func Article(n int) string {
	return fmt.Sprintf("sku-%d", firstSKU+n%ordinary)
}

// Prices returns all articles with their prices in cents, in a map of the caller's own.
func Prices() map[string]int64 {
	prices := map[string]int64{}
	for n := range ordinary {
		prices[Article(n)] = 495 + int64(n*n*37%9000)
	}
	for _, article := range []string{Declined, Slow, Retried, DeadLettered, Unroutable, Lost} {
		prices[article] = 1999
	}
	return prices
}

// Has reports whether the article is among those of a cart.
func Has(cart []string, article string) bool {
	return slices.Contains(cart, article)
}
