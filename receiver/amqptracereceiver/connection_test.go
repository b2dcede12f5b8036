package amqptracereceiver

import (
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/config/configtls"
	"go.uber.org/zap"
)

// tlsPeer completes TLS handshakes and then speaks no AMQP. It returns its address and certificate.
func tlsPeer(t *testing.T) (address, certificate string) {
	t.Helper()
	server := httptest.NewUnstartedServer(http.NotFoundHandler())
	server.Config.ErrorLog = zap.NewStdLog(zap.NewNop())
	server.StartTLS()
	t.Cleanup(server.Close)
	block := pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}
	return "amqps://" + server.Listener.Addr().String(), string(pem.EncodeToMemory(&block))
}

func TestCertificateIsVerified(t *testing.T) {
	address, certificate := tlsPeer(t)
	trusting := configtls.NewDefaultClientConfig()
	trusting.CAPem = configPassword(certificate)
	otherName := trusting
	otherName.ServerName = "mq.invalid"
	missing := configtls.NewDefaultClientConfig()
	missing.CAFile = "testdata/no-such-file.pem"
	for name, c := range map[string]struct {
		tls     *configtls.ClientConfig
		refused bool
	}{
		"system roots": {refused: true},
		"right CA":     {tls: &trusting},
		"other name":   {tls: &otherName, refused: true},
		"missing file": {tls: &missing, refused: true},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := createDefaultConfig().(*Config).Connection
			cfg.ConnectionTimeout = time.Second // the peer will not answer what it does not understand
			if c.tls != nil {
				cfg.TLS = some(*c.tls)
			}
			e, err := parseEndpoint(address)
			require.NoError(t, err)
			_, err = dial(t.Context(), &cfg, e)
			require.Error(t, err)
			assert.Equal(t, c.refused, needsOperator(err), err)
		})
	}
}

func TestSilentPeerEndsWithTheTimeout(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0") // accepts, and never says a word
	require.NoError(t, err)
	defer listener.Close()
	cfg := createDefaultConfig().(*Config).Connection
	cfg.ConnectionTimeout = 50 * time.Millisecond
	e, err := parseEndpoint("amqp://" + listener.Addr().String())
	require.NoError(t, err)
	_, err = dial(t.Context(), &cfg, e)
	require.ErrorContains(t, err, "deadline exceeded")
	assert.False(t, needsOperator(err))
}

func TestEndsAreToldApart(t *testing.T) {
	for name, c := range map[string]struct {
		err      error
		reason   string
		operator bool
	}{
		"cancelled":            {err: errCancelled, reason: "cancelled"},
		"could not be parsed":  {err: fmt.Errorf("%w: %w", errUnreadable, amqp.ErrFrameTooLarge), reason: "unreadable"},
		"end of file":          {err: &amqp.Error{Code: amqp.FrameError, Reason: "EOF"}, reason: "connection_lost"},
		"no rights":            {err: &amqp.Error{Code: amqp.AccessRefused, Server: true}, reason: "refused", operator: true},
		"no exchange":          {err: &amqp.Error{Code: amqp.NotFound, Server: true}, reason: "refused", operator: true},
		"other arguments":      {err: &amqp.Error{Code: amqp.PreconditionFailed, Server: true}, reason: "refused", operator: true},
		"broke at the log-in":  {err: io.EOF, reason: "connection_lost"},
		"wrong password":       {err: fmt.Errorf("log in: %w", amqp.ErrCredentials), reason: "refused", operator: true},
		"shut down":            {err: &amqp.Error{Code: amqp.ConnectionForced, Server: true}, reason: "broker_stopped"},
		"nobody there":         {err: &net.OpError{Op: "dial", Err: errors.New("refused")}, reason: "unreachable"},
		"certificate unusable": {err: errTLSConfig, reason: "refused", operator: true},
	} {
		t.Run(name, func(t *testing.T) {
			assert.Equal(t, c.reason, reconnectReason(c.err))
			assert.Equal(t, c.operator, needsOperator(c.err))
		})
	}
}

func TestPasswordIsNeverInAnError(t *testing.T) {
	address, _ := tlsPeer(t)
	cfg := createDefaultConfig().(*Config).Connection
	cfg.Auth.Plain = some(PlainConfig{Username: "otel", Password: "s3cret"})
	e, err := parseEndpoint(strings.Replace(address, "amqps", "amqp", 1))
	require.NoError(t, err)
	_, err = dial(t.Context(), &cfg, e)
	require.Error(t, err)
	assert.NotContains(t, err.Error(), "s3cret")
}
