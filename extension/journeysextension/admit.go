package journeysextension

import (
	"context"
	"net/http"
	"time"

	"golang.org/x/time/rate"
)

const (
	// refuseAfter is how long a request too many waits for its refusal, so that
	// who asks again at once does not ask all the time: reading and refusing it
	// costs most of what answering does.
	refuseAfter = time.Second
	// heldRefusals is how many wait for theirs at a time, each with some 20 KiB
	// of a connection; more are refused at once.
	heldRefusals = 1000
)

// admit lets so many requests a second on. It comes before all else, also
// before authentication, which may cost far more than an answer.
func (x *journeysExtension) admit(next http.Handler) http.Handler {
	perSecond := x.config.Limits.RequestsPerSecond
	limiter := rate.NewLimiter(rate.Limit(perSecond), perSecond)
	held := make(chan struct{}, heldRefusals)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if limiter.Allow() {
			next.ServeHTTP(w, r)
			return
		}
		x.reached("requests_per_second", 1)
		select {
		case held <- struct{}{}:
			x.hold(r.Context())
			<-held
		default:
		}
		setHeaders(w)
		w.Header().Set("Retry-After", "1")
		writeError(w, http.StatusTooManyRequests, "too many requests a second")
	})
}

// hold returns when a refusal is due, nobody waits for it, or the extension stops.
func (x *journeysExtension) hold(ctx context.Context) {
	timer := time.NewTimer(refuseAfter)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	case <-x.stopping:
	}
}
