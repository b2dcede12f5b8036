package e2e

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/otelcol-journey/otelcol-journey/test/browser"
)

const (
	readerName     = "reader"
	readerPassword = "open sesame"
	// readerHash is what htpasswd -B prints for the password.
	readerHash = "$2b$05$triRziKBcCWx5PQf/MRsGewDkVigHqa.SwlhjYICFL0bDvxpvVIau"
)

// withAddresses is what differs from the example: where things are on this
// machine, the health check that the tests wait for, and the page in plain beside it.
const withAddresses = `
extensions:
  journeys:
    endpoint: "${env:JOURNEYS_ENDPOINT}"
    hosts: [localhost]
    tls: {cert_file: %q, key_file: %q}
  journeys/plain:
    endpoint: "${env:PLAIN_ENDPOINT}"
service:
  extensions: [health_check, basicauth/journeys, journeys, journeys/plain]
`

// The example of the extension's README, on the published configuration.
func TestThePageIsServedOverTLSToWhoHasThePassword(t *testing.T) {
	t.Parallel()
	_, backend := startSink(t)
	p := &parts{dir: directory(t), brokerURL: world.broker.vhost(t), configs: []string{published()}}
	p.chooseAddresses(t, backend)
	p.env["JOURNEYS_HTPASSWD"] = readerName + ":" + readerHash
	p.env["PLAIN_ENDPOINT"] = address(world.ports.take(t))
	authority := p.addSecureConfigs(t)
	p.startCollector(t)
	visitor := &secureVisitor{authority: authority, address: p.env["JOURNEYS_ENDPOINT"]}

	t.Run("plain HTTP is refused", func(t *testing.T) {
		res, err := get("http://" + p.env["JOURNEYS_ENDPOINT"] + "/api/v1/overview")
		require.NoError(t, err)
		body, err := io.ReadAll(res.Body)
		require.NoError(t, err)
		require.NoError(t, res.Body.Close())
		require.Equal(t, http.StatusBadRequest, res.StatusCode)
		require.NotContains(t, string(body), "journeys")
	})
	t.Run("so is old TLS", func(t *testing.T) {
		dialer := tls.Dialer{Config: &tls.Config{RootCAs: authority, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}}
		_, err := dialer.DialContext(t.Context(), "tcp", p.env["JOURNEYS_ENDPOINT"])
		require.ErrorContains(t, err, "protocol version")
	})
	t.Run("nobody gets in without the password", func(t *testing.T) {
		for _, path := range []string{"/", "/js/main.js", "/api/v1/overview", "/api/v1/openapi.yaml", "/nowhere"} {
			for _, password := range []string{"", "wrong"} {
				status, header, body := visitor.get(t, path, password)
				require.Equal(t, http.StatusUnauthorized, status, path)
				require.Contains(t, header.Get("WWW-Authenticate"), "Basic", "a browser asks for the password then")
				require.NotContains(t, body, "script", path)
			}
		}
	})
	t.Run("with it, answers are protected as they are in plain", func(t *testing.T) {
		for _, path := range []string{"/", "/js/main.js", "/api/v1/overview"} {
			status, header, body := visitor.get(t, path, readerPassword)
			require.Equal(t, http.StatusOK, status, path)
			require.NotEmpty(t, body)
			plain, err := get("http://" + p.env["PLAIN_ENDPOINT"] + path)
			require.NoError(t, err)
			require.NoError(t, plain.Body.Close())
			for _, name := range []string{"Content-Security-Policy", "X-Content-Type-Options", "X-Frame-Options", "Referrer-Policy", "Cross-Origin-Opener-Policy"} {
				require.NotEmpty(t, header.Get(name), name)
				require.Equal(t, plain.Header.Get(name), header.Get(name), name)
			}
		}
	})
	t.Run("a browser shows the page", func(t *testing.T) { p.requireSecurePage(t) })
}

// requireSecurePage opens the page; the tab fails if the policy refuses anything.
func (p *parts) requireSecurePage(t *testing.T) {
	failed := failedOrderHistory()
	p.send(t, failed)
	login := browser.Login{Name: readerName, Password: readerPassword}
	page := "https://" + p.env["JOURNEYS_ENDPOINT"]
	tab := world.browser.get(t).OpenAs(t, browser.Look{Width: 1280, Height: 900}, page, login)
	tab.Await("the journey", "document.querySelectorAll('#journeys-table tbody tr').length === 1")
	tab.Go("#/journey?name=order%20history")
	tab.Await("its map, which a worker lays out", "document.querySelectorAll('svg [data-node], svg .node').length >= 3")
	tab.Go("#/trace?id=" + failed.id.String())
	tab.Await("the trace", "document.body.innerText.includes('failed')")
}

// addSecureConfigs adds the README's example, and a certificate for it, and
// returns who has signed that.
func (p *parts) addSecureConfigs(t *testing.T) *x509.CertPool {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(world.root, "extension", "journeysextension", "README.md"))
	require.NoError(t, err)
	_, example, found := strings.Cut(string(text), "With authentication:\n\n```yaml\n")
	require.True(t, found, "the README's example")
	example, _, _ = strings.Cut(example, "```")
	require.Contains(t, example, "JOURNEYS_HTPASSWD")
	authority, certificate, key := writeCertificate(t, p.dir)
	for name, content := range map[string]string{"readme.yaml": example, "addresses.yaml": fmt.Sprintf(withAddresses, certificate, key)} {
		require.NoError(t, os.WriteFile(filepath.Join(p.dir, name), []byte(content), 0o600))
	}
	p.configs = append(p.configs, filepath.Join(p.dir, "readme.yaml"), filepath.Join(p.dir, "addresses.yaml"))
	return authority
}

// writeCertificate makes a certificate for this machine that signs itself.
func writeCertificate(t *testing.T, dir string) (authority *x509.CertPool, certificate, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	require.NoError(t, err)
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	require.NoError(t, err)
	certificate, key = filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")
	own := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	require.NoError(t, os.WriteFile(certificate, own, 0o600))
	require.NoError(t, os.WriteFile(key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}), 0o600))
	authority = x509.NewCertPool()
	require.True(t, authority.AppendCertsFromPEM(own))
	return authority, certificate, key
}

// secureVisitor trusts the collector's certificate only.
type secureVisitor struct {
	authority *x509.CertPool
	address   string
}

// get asks with a password; without one if it is empty.
func (v *secureVisitor) get(t *testing.T, path, password string) (status int, header http.Header, body string) {
	t.Helper()
	client := &http.Client{Timeout: patience, Transport: &http.Transport{
		DisableKeepAlives: true, TLSClientConfig: &tls.Config{RootCAs: v.authority, MinVersion: tls.VersionTLS12},
	}}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+v.address+path, http.NoBody)
	require.NoError(t, err)
	if password != "" {
		req.SetBasicAuth(readerName, password)
	}
	res, err := client.Do(req)
	require.NoError(t, err)
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	return res.StatusCode, res.Header, string(text)
}
