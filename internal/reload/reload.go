// Package reload is what components need that go on after a reload of the
// Collector's configuration: within the same process, all of them are stopped,
// and others are made and started in their place.
package reload

import (
	"runtime"
	"strings"
	"sync"
	"time"

	"go.opentelemetry.io/collector/component"
)

// function is the Collector's function that stops all components and starts
// those of the new configuration (otelcol v0.158.0, collector.go).
const function = "otelcol.(*Collector).reloadConfiguration"

// IsUnderWay says whether the Collector stops its caller to start it anew, in
// the same process, with another configuration. Nothing that a component is told
// says so, and a stop for good must do what a reload should not: hence the look
// at who is calling. Were the function ever renamed, a reload would be taken for
// a stop, as it is everywhere else; end-to-end tests would fail.
func IsUnderWay() bool {
	pcs := make([]uintptr, 64)
	frames := runtime.CallersFrames(pcs[:runtime.Callers(2, pcs)])
	for {
		frame, more := frames.Next()
		if strings.HasSuffix(frame.Function, function) {
			return true
		}
		if !more {
			return false
		}
	}
}

// ClaimTime is how long what was left waits for its heir. A reload takes
// seconds; an id that is no longer in the configuration never claims.
const ClaimTime = 5 * time.Minute

// Estates keep what components leave, in the process, until the next one of the
// same id takes it. The zero value is empty; any goroutine may use it.
type Estates[T any] struct {
	mu   sync.Mutex
	left map[component.ID]*T
}

// Leave keeps what is left for id. If nobody takes it within ClaimTime it is
// let go, and unclaimed called.
func (e *Estates[T]) Leave(id component.ID, what *T, unclaimed func()) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.left == nil {
		e.left = make(map[component.ID]*T)
	}
	e.left[id] = what
	time.AfterFunc(ClaimTime, func() {
		if e.forget(id, what) {
			unclaimed()
		}
	})
}

// Take returns what was left for id; nil if nothing was.
func (e *Estates[T]) Take(id component.ID) *T {
	e.mu.Lock()
	defer e.mu.Unlock()
	what := e.left[id]
	delete(e.left, id)
	return what
}

func (e *Estates[T]) forget(id component.ID, what *T) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.left[id] != what {
		return false
	}
	delete(e.left, id)
	return true
}
