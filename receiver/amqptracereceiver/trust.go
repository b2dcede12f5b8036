package amqptracereceiver

import "time"

// trust decides whose span contexts are believed. Any publisher can write any context into a message;
// the broker vouches only for the user who publishes. A delivery of the firehose does not name that
// user, unless the publisher set the property user_id, which the broker checks. So the messages that a
// trusted user was seen to publish are remembered.
//
// It is owned by the run loop's goroutine.
type trust struct {
	users, vhosts map[string]struct{}
	vouched       *generations[messageKey, struct{}] // published by a trusted user
	ids           identity
	distrusted    int64 // contexts not believed; the intake empties it
}

// newTrust returns nil if everybody is trusted.
func newTrust(cfg TrustConfig, limits LimitsConfig) *trust {
	if len(cfg.Users) == 0 && len(cfg.VHosts) == 0 {
		return nil
	}
	return &trust{
		users:   set(cfg.Users),
		vhosts:  set(cfg.VHosts),
		vouched: newGenerations[messageKey, struct{}](limits.MaxPending, 0),
	}
}

func set(names []string) map[string]struct{} {
	all := make(map[string]struct{}, len(names))
	for _, name := range names {
		all[name] = struct{}{}
	}
	return all
}

// believes says whether the event's context counts. The event must be complete.
func (t *trust) believes(e *event) bool {
	if _, ok := t.vhosts[e.vhost]; ok {
		return true
	}
	_, listed := t.users[e.publisher]
	if e.kind == eventPublish {
		if listed {
			t.vouched.put(t.ids.message(e), struct{}{}, time.Time{})
		}
		return listed
	}
	if !listed {
		_, listed = t.vouched.get(t.ids.message(e), time.Time{})
	}
	return listed
}
