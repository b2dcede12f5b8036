package amqptracereceiver

import (
	"fmt"
	"net"
	"net/url"
	"strings"
)

// endpoint is one broker address. It holds no secret, so it may be logged.
type endpoint struct {
	host string
	port string
	tls  bool
}

func (e endpoint) address() string { return net.JoinHostPort(e.host, e.port) }

func (e endpoint) loopback() bool {
	ip := net.ParseIP(e.host)
	return e.host == "localhost" || ip != nil && ip.IsLoopback()
}

// String is the endpoint as a user writes it.
func (e endpoint) String() string {
	if e.tls {
		return "amqps://" + e.address()
	}
	return "amqp://" + e.address()
}

// parseEndpoint reads amqp://host[:port] or amqps://host[:port]. Its errors never quote credentials:
// they end up in logs.
func parseEndpoint(text string) (endpoint, error) {
	// A parse error of net/url quotes the whole text, so its own words are not passed on.
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "amqp" && u.Scheme != "amqps" || u.Hostname() == "" {
		return endpoint{}, fmt.Errorf("must be amqp://host:port or amqps://host:port, got %q", withoutCredentials(text))
	}
	e := endpoint{host: u.Hostname(), port: u.Port(), tls: u.Scheme == "amqps"}
	if e.port == "" {
		e.port = map[bool]string{false: "5672", true: "5671"}[e.tls]
	}
	if u.User != nil {
		return e, fmt.Errorf("must not hold credentials (they belong in connection::auth::plain), got %q", withoutCredentials(text))
	}
	if strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" {
		return e, fmt.Errorf("must not hold a path or options (the vhost belongs in connection::vhost), got %q", withoutCredentials(text))
	}
	return e, nil
}

// withoutCredentials masks whatever stands before the last "@" and after the first "?" or "#": with a
// malformed text nothing else is safe.
func withoutCredentials(text string) string {
	if options := strings.IndexAny(text, "?#"); options >= 0 && !strings.Contains(text[options:], "@") {
		text = text[:options+1] + "***"
	}
	at := strings.LastIndex(text, "@")
	if at < 0 {
		return text
	}
	scheme, _, found := strings.Cut(text[:at], "://")
	if !found {
		return "***" + text[at:]
	}
	return scheme + "://***" + text[at:]
}
