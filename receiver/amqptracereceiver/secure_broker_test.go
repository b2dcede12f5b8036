package amqptracereceiver

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/config/configtls"

	"github.com/otelcol-journey/otelcol-journey/internal/stack"
	"github.com/otelcol-journey/otelcol-journey/internal/stack/stacktest"
)

// secureBroker has TLS, client certificates as log-in, users with few rights, and little patience
// with unsettled deliveries.
var secureBroker = stacktest.Shared(stack.BrokerSpec{
	Plugins: []string{"rabbitmq_auth_mechanism_ssl"},
	Config:  configureSecurely,
})

// secrets is what configureSecurely made. It is written once, before the broker starts.
var secrets struct {
	port     int
	dir      string
	ca       keyPair
	client   keyPair // of the user certUser
	stranger keyPair // of the user certUser, from an authority of its own
	nobody   keyPair // of no user
}

const (
	leastUser     = "otel"
	leastPassword = "pass-word-of-least"
	certUser      = "otel-by-certificate"
	adminUser     = "guest"

	// ackTimeout is the broker's consumer_timeout in milliseconds.
	ackTimeout = "3000"
)

// least is what README.md tells operators to give.
var least = map[string]string{"configure": `^otel\.`, "write": `^otel\.`, "read": `^(otel\..*|amq\.rabbitmq\.trace)$`}

func configureSecurely(dir string) ([]string, error) {
	if err := makeCertificates(dir); err != nil {
		return nil, err
	}
	if err := writeDefinitions(filepath.Join(dir, "definitions.json")); err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	secrets.port, secrets.dir = listener.Addr().(*net.TCPAddr).Port, dir
	return []string{
		"load_definitions = " + filepath.Join(dir, "definitions.json"),
		fmt.Sprintf("listeners.ssl.1 = 127.0.0.1:%d", secrets.port),
		"ssl_options.cacertfile = " + filepath.Join(dir, "ca.pem"),
		"ssl_options.certfile = " + filepath.Join(dir, "server.pem"),
		"ssl_options.keyfile = " + filepath.Join(dir, "server.key"),
		"ssl_options.verify = verify_peer",
		"ssl_options.fail_if_no_peer_cert = false", // a client may come without one, but not with a bad one
		"ssl_cert_login_from = common_name",
		"auth_mechanisms.1 = PLAIN",
		"auth_mechanisms.2 = EXTERNAL",
		"consumer_timeout = " + ackTimeout,
	}, listener.Close()
}

func makeCertificates(dir string) error {
	ca, files, err := newAuthority("tests")
	if err != nil {
		return err
	}
	secrets.ca = files
	server, err := ca.issue("broker", "localhost", "127.0.0.1")
	if err != nil {
		return err
	}
	if secrets.client, err = ca.issue(certUser); err != nil {
		return err
	}
	if secrets.nobody, err = ca.issue("nobody"); err != nil {
		return err
	}
	other, _, err := newAuthority("strangers")
	if err != nil {
		return err
	}
	if secrets.stranger, err = other.issue(certUser); err != nil {
		return err
	}
	for name, p := range map[string]keyPair{"ca": files, "server": server, "client": secrets.client} {
		if err := p.write(dir, name); err != nil {
			return err
		}
	}
	return nil
}

// writeDefinitions makes the users. RabbitMQ makes none itself if it has definitions to load.
func writeDefinitions(path string) error {
	type object = map[string]any
	all := object{"user": adminUser, "vhost": "/", "configure": ".*", "write": ".*", "read": ".*"}
	of := func(user string) object {
		return object{"user": user, "vhost": "/", "configure": least["configure"], "write": least["write"], "read": least["read"]}
	}
	user := func(name, password, tags string) object {
		salt := []byte("salt")
		hash := sha256.Sum256(append(salt, password...))
		return object{
			"name": name, "tags": tags, "hashing_algorithm": "rabbit_password_hashing_sha256",
			"password_hash": base64.StdEncoding.EncodeToString(append(salt, hash[:]...)),
		}
	}
	text, err := json.Marshal(object{
		"vhosts":      []object{{"name": "/"}},
		"users":       []object{user(adminUser, "guest", "administrator"), user(leastUser, leastPassword, ""), user(certUser, "unused", "")},
		"permissions": []object{all, of(leastUser), of(certUser)},
	})
	if err != nil {
		return err
	}
	return os.WriteFile(path, text, 0o600)
}

// leastConfig is a configuration for the secure broker's user with few rights, without TLS.
func leastConfig(t *testing.T) *Config {
	t.Helper()
	cfg := configFor(t, secureBroker.Get(t).URL)
	cfg.Connection.Auth.Plain = some(PlainConfig{Username: leastUser, Password: leastPassword})
	return cfg
}

// tlsConfig is leastConfig over TLS, with a client certificate if there is one.
func tlsConfig(t *testing.T, client keyPair) *Config {
	t.Helper()
	cfg := leastConfig(t)
	cfg.Connection.Endpoints = []string{fmt.Sprintf("amqps://127.0.0.1:%d", secrets.port)}
	settings := configtls.NewDefaultClientConfig()
	settings.CAPem = configPassword(string(secrets.ca.certificate))
	settings.CertPem = configPassword(string(client.certificate))
	settings.KeyPem = configPassword(string(client.key))
	cfg.Connection.TLS = some(settings)
	return cfg
}

// admin is a client that may do everything on the secure broker.
func admin(t *testing.T) *application {
	t.Helper()
	url := secureBroker.Get(t).URL
	require.Contains(t, url, adminUser)
	return dialApplication(t, url)
}
