package journeysextension

import (
	"net/http"
)

// challenge says how to get past the authenticator. By Basic, browsers ask for a
// name and a password.
func (c *Config) challenge() string {
	if !c.Auth.HasValue() {
		return ""
	}
	if c.Auth.Get().AuthenticatorID.Type().String() == "basicauth" {
		return `Basic realm="journeys", charset="UTF-8"`
	}
	return `Bearer realm="journeys"`
}

// refuseEarly answers what confighttp refuses before it comes here, as who has
// not got the password. A 401 has to say what is asked for (RFC 9110, 15.5.2).
func (x *journeysExtension) refuseEarly(w http.ResponseWriter, _ *http.Request, message string, status int) {
	setHeaders(w)
	if status == http.StatusUnauthorized && w.Header().Get("WWW-Authenticate") == "" {
		w.Header().Set("WWW-Authenticate", x.config.challenge())
	}
	writeError(w, status, message)
}
