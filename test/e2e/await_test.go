package e2e

import (
	"fmt"
	"testing"
	"time"
)

const (
	// patience is how long a condition may take that is expected within
	// seconds, on a machine that runs several tests at once.
	patience = 40 * time.Second
	// glance is how often a condition is looked at.
	glance = 50 * time.Millisecond
)

// eventually looks at a condition until it holds. The check returns nil when it
// does, and otherwise what it saw, which is part of the failure.
func eventually(t *testing.T, what string, check func() error) {
	t.Helper()
	ticker := time.NewTicker(glance)
	defer ticker.Stop()
	deadline := time.Now().Add(patience)
	for {
		seen := check()
		if seen == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within %s; seen last: %v", what, patience, seen)
		}
		<-ticker.C
	}
}

// want is the condition that a value is what it should be.
func want[T comparable](what string, expected, got T) error {
	if got == expected {
		return nil
	}
	return fmt.Errorf("%s is %v, want %v", what, got, expected)
}
