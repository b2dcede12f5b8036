package journeysextension

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/config/configauth"
	"go.opentelemetry.io/collector/config/confighttp"
	"go.opentelemetry.io/collector/config/configoptional"
)

// refused is what somebody gets whom an authenticator of that type refuses with
// the header it has set itself.
func refused(t *testing.T, authenticator, own string) http.Header {
	t.Helper()
	h := newHarness(t, func(c *Config) {
		id := component.MustNewIDWithName(authenticator, "journeys")
		c.Auth = configoptional.Some(confighttp.AuthConfig{Config: configauth.Config{AuthenticatorID: id}})
	})
	w := httptest.NewRecorder()
	if own != "" {
		w.Header().Set("WWW-Authenticate", own)
	}
	h.refuseEarly(w, nil, "no", http.StatusUnauthorized)
	require.Equal(t, http.StatusUnauthorized, w.Code)
	require.JSONEq(t, `{"status": 401, "message": "no"}`, w.Body.String())
	return w.Header()
}

// Without a challenge, no browser asks for the password.
func TestWhoIsNotLetInIsToldHowToGetIn(t *testing.T) {
	basic := refused(t, "basicauth", "")
	require.Equal(t, `Basic realm="journeys", charset="UTF-8"`, basic.Get("WWW-Authenticate"))
	require.NotEmpty(t, basic.Get("Content-Security-Policy"), "as on every answer")
	require.Equal(t, `Bearer realm="journeys"`, refused(t, "bearertokenauth", "").Get("WWW-Authenticate"))
	require.Equal(t, "Negotiate", refused(t, "other", "Negotiate").Get("WWW-Authenticate"), "it knows better")
}
