package amqptracereceiver

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component/componentstatus"
	"go.opentelemetry.io/collector/config/configtls"
	"go.opentelemetry.io/collector/confmap"
)

func external(cfg *Config) {
	cfg.Connection.Auth = AuthConfig{External: some(ExternalConfig{})}
}

func TestEncryptedConnections(t *testing.T) {
	secureBroker.Get(t)
	for name, c := range map[string]struct {
		client keyPair
		change func(*Config)
	}{
		"TLS, password":                 {},
		"TLS by name":                   {change: func(cfg *Config) { cfg.Connection.Endpoints[0] = fmt.Sprintf("amqps://localhost:%d", secrets.port) }},
		"client certificate, password":  {client: secrets.client},
		"client certificate as log-in":  {client: secrets.client, change: external},
		"client certificate from files": {change: externalFromFiles},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := tlsConfig(t, c.client)
			if c.change != nil {
				c.change(cfg)
			}
			require.NoError(t, confmap.Validate(cfg))
			spans := &collected{}
			r := startReceiver(t, cfg, spans)
			r.reading(1)
			app := admin(t)
			seen(t, spans, app, app.queue(unique("q"), "", ""))
			assert.Zero(t, r.logs.FilterMessageSnippet("unencrypted").Len())
		})
	}
}

func externalFromFiles(cfg *Config) {
	external(cfg)
	set := cfg.Connection.TLS.Get()
	set.CAPem, set.CertPem, set.KeyPem = "", "", ""
	set.CAFile = filepath.Join(secrets.dir, "ca.pem")
	set.CertFile, set.KeyFile = filepath.Join(secrets.dir, "client.pem"), filepath.Join(secrets.dir, "client.key")
}

// Who is not to be trusted, or does not trust us, is not read from; it takes an operator to heal that.
func TestUntrustedConnectionsAreRefused(t *testing.T) {
	secureBroker.Get(t)
	for name, c := range map[string]struct {
		client keyPair
		change func(*Config)
	}{
		"broker of an unknown authority": {change: func(cfg *Config) {
			cfg.Connection.TLS.Get().CAPem = configPassword(string(secrets.stranger.certificate))
		}},
		"broker of another name":              {change: func(cfg *Config) { cfg.Connection.TLS.Get().ServerName = "mq.invalid" }},
		"certificate of an unknown authority": {client: secrets.stranger, change: external},
		"certificate of nobody":               {client: secrets.nobody, change: external},
		"no certificate":                      {change: external},
		"wrong password":                      {change: func(cfg *Config) { cfg.Connection.Auth.Plain.Get().Password = "wrong" }},
		"vhost that is not there":             {change: func(cfg *Config) { cfg.Connection.VHost = "nowhere" }},
		"TLS where the broker speaks it plain": {change: func(cfg *Config) {
			cfg.Connection.Endpoints[0] = strings.Replace(secureBrokerAddress(t), "amqp", "amqps", 1)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // RabbitMQ takes three seconds to refuse a password
			cfg := tlsConfig(t, c.client)
			c.change(cfg)
			cfg.Reconnect.MaxInterval = time.Hour
			r := startReceiver(t, cfg, &collected{})
			eventually(t, "two refusals", func() bool { return r.logs.FilterMessage("not reading from the broker").Len() == 2 })
			assert.Equal(t, map[string]int64{"refused": 2}, r.reconnects())
			assert.True(t, r.status.is(componentstatus.StatusRecoverableError))
			assert.True(t, r.status.operator.Load())
			entry := r.logs.FilterMessage("not reading from the broker").All()[1]
			assert.Greater(t, entry.ContextMap()["again_in"], 20*time.Minute, "it is not hammered at")
		})
	}
}

func secureBrokerAddress(t *testing.T) string {
	return leastConfig(t).Connection.Endpoints[0]
}

// The rights in README.md suffice for the firehose, and for nothing else.
func TestLeastRightsSuffice(t *testing.T) {
	for name, durable := range map[string]bool{"exclusive": false, "durable": true} {
		t.Run(name, func(t *testing.T) {
			cfg := leastConfig(t)
			cfg.OwnQueue.Durable, cfg.OwnQueue.Name = durable, "otel."+unique("least")
			spans := &collected{}
			startReceiver(t, cfg, spans).reading(1)
			app := admin(t)
			seen(t, spans, app, app.queue(unique("q"), "", ""))
		})
	}
}

func TestLeastRightsAreNotMore(t *testing.T) {
	admin := admin(t)
	shop := admin.exchange(unique("shop"), "topic")
	orders := admin.queue(unique("orders"), shop, "#")
	url := strings.Replace(secureBroker.Get(t).URL, "guest:guest", leastUser+":"+leastPassword, 1)
	for name, try := range map[string]func(*application) error{
		"consume an application's queue": func(a *application) error {
			_, err := a.Consume(orders, "", false, false, false, false, nil)
			return err
		},
		"get from it": func(a *application) error { _, _, err := a.Get(orders, true); return err },
		"purge it":    func(a *application) error { _, err := a.QueuePurge(orders, false); return err },
		"delete it":   func(a *application) error { _, err := a.QueueDelete(orders, false, false, false); return err },
		"bind an exchange of the application": func(a *application) error {
			queue, err := a.QueueDeclare("otel."+unique("mine"), false, true, true, false, nil)
			require.NoError(t, err)
			return a.QueueBind(queue.Name, "#", shop, false, nil)
		},
		"declare another queue": func(a *application) error {
			_, err := a.QueueDeclare(unique("mine"), false, true, true, false, nil)
			return err
		},
		"declare an exchange": func(a *application) error {
			return a.ExchangeDeclare(unique("x"), "topic", false, true, false, false, nil)
		},
		"publish to the exchange":   func(a *application) error { return a.refusedPublish(shop, "key") },
		"publish trace messages":    func(a *application) error { return a.refusedPublish(traceExchange, "publish.shop") },
		"delete the app's exchange": func(a *application) error { return a.ExchangeDelete(shop, false, false) },
	} {
		t.Run(name, func(t *testing.T) {
			err := try(dialApplication(t, url))
			var fault *amqp.Error
			require.ErrorAs(t, err, &fault)
			assert.Equal(t, amqp.AccessRefused, fault.Code)
		})
	}
}

// refusedPublish returns why the broker closed the channel after a publish.
func (a *application) refusedPublish(exchange, key string) error {
	closed := a.NotifyClose(make(chan *amqp.Error, 1))
	if err := a.PublishWithContext(a.t.Context(), exchange, key, false, false, amqp.Publishing{}); err != nil {
		return err
	}
	return <-closed
}

// A right that is taken away while we read, and given again, needs no restart.
func TestMissingRightForATap(t *testing.T) {
	app := admin(t)
	shop := app.exchange(unique("shop"), "topic")
	app.queue(unique("orders"), shop, "#")
	cfg := leastConfig(t)
	cfg.Tap = []TapConfig{{Exchange: shop, Type: "topic", BindingKeys: []string{"#"}}}
	r := startReceiver(t, cfg, &collected{})
	eventually(t, "a refusal", func() bool { return r.metric("reconnects") > 0 })
	entry := r.logs.FilterMessage("not reading from the broker").All()[0]
	assert.Contains(t, entry.ContextMap()["error"], "ACCESS_REFUSED")
	assert.Contains(t, entry.ContextMap()["error"], shop)
}

// Neither password nor key, nor what is in a message's body, is ever in a log, an error, a status or a span.
func TestNoSecretIsEverShown(t *testing.T) {
	const body = "a body that nobody should see"
	var shown strings.Builder
	show := func(r *running, spans *collected) {
		r.stop()
		for _, entry := range r.logs.All() {
			fmt.Fprintln(&shown, entry.Message, entry.ContextMap())
		}
		if e := r.status.last.Load(); e != nil {
			fmt.Fprintln(&shown, e.Err(), e.Attributes().AsRaw())
		}
		for _, s := range spans.spans {
			fmt.Fprintln(&shown, s.Name(), s.Attributes().AsRaw(), s.resource.AsRaw(), s.Status().Message())
		}
	}
	for _, change := range []func(*Config){
		func(*Config) {},
		external,
		func(cfg *Config) { cfg.Connection.Endpoints[0] = secureBrokerAddress(t) },
		func(cfg *Config) { cfg.Connection.Endpoints[0] = "amqp://127.0.0.1:1" },
		func(cfg *Config) { cfg.Connection.VHost = "nowhere" },
		func(cfg *Config) { cfg.Connection.Auth.Plain.Get().Username = "somebody" },
		func(cfg *Config) { cfg.Connection.TLS.Get().KeyPem += "broken" },
		func(cfg *Config) { cfg.Connection.TLS.Get().CertPem = configPassword(string(secrets.client.key)) },
		func(cfg *Config) { cfg.OwnQueue.Name = "not ours" },
		func(cfg *Config) {
			cfg.Tap = []TapConfig{{Exchange: "amq.topic", Type: "topic", BindingKeys: []string{"#"}}}
		},
	} {
		cfg := tlsConfig(t, secrets.client)
		change(cfg)
		conf := confmap.New()
		require.NoError(t, conf.Marshal(cfg))
		fmt.Fprintln(&shown, conf.ToStringMap())
		spans := &collected{}
		r := startReceiver(t, cfg, spans)
		eventually(t, "an answer of any kind", func() bool { return r.status.last.Load() != nil })
		if r.status.is(componentstatus.StatusOK) {
			app := admin(t)
			queue := app.queue(unique("q"), "", "")
			p := newParent()
			message := p.message()
			message.Body = []byte(body)
			app.publish("", queue, message)
			eventually(t, "a span", func() bool { return len(spans.of(p.trace, "")) > 0 })
		}
		show(r, spans)
	}
	for _, endpoint := range []string{
		"amqp://otel:" + leastPassword + "@mq:5672", "amqps://otel:" + leastPassword + "@mq", "amqp://mq/?password=" + leastPassword,
		"amqp://otel:" + leastPassword + "%zz@mq", "otel:" + leastPassword + "@mq", "http://otel:" + leastPassword + "@mq", "amqp://mq#" + leastPassword,
	} {
		cfg := leastConfig(t)
		cfg.Connection.Endpoints = []string{endpoint}
		err := cfg.Connection.Validate()
		require.Error(t, err, endpoint)
		fmt.Fprintln(&shown, err)
	}
	require.Contains(t, shown.String(), "amqps://127.0.0.1", "the test looks at the right things")
	require.Contains(t, shown.String(), "publish amq.default")
	for name, secret := range map[string]string{
		"password": leastPassword, "key": strings.Split(string(secrets.client.key), "\n")[1], "body": body,
	} {
		assert.NotContains(t, shown.String(), secret, name)
	}
}

func TestPasswordInTheClearIsMentioned(t *testing.T) {
	for endpoint, want := range map[string]int{"amqp://mq.invalid": 1, "amqps://mq.invalid": 0, "amqp://127.0.0.1:1": 0, "amqp://localhost:1": 0, "amqp://[::1]:1": 0} {
		cfg := createDefaultConfig().(*Config)
		cfg.Connection.Endpoints = []string{endpoint}
		r := startReceiverOver(t, cfg, &collected{}, newFakeBroker(t).dial)
		assert.Equal(t, want, r.logs.FilterMessageSnippet("unencrypted").Len(), endpoint)
		r.stop()
	}
}

func TestUnverifiedCertificatesAreMentioned(t *testing.T) {
	verified, unverified := configtls.NewDefaultClientConfig(), configtls.NewDefaultClientConfig()
	unverified.InsecureSkipVerify = true
	for _, c := range []struct {
		broker, api configtls.ClientConfig
		want        []string
	}{
		{verified, verified, nil},
		{unverified, verified, []string{"connection::tls::insecure_skip_verify"}},
		{verified, unverified, []string{"firehose::management::tls::insecure_skip_verify"}},
		{unverified, unverified, []string{"connection::tls::insecure_skip_verify", "firehose::management::tls::insecure_skip_verify"}},
	} {
		cfg := createDefaultConfig().(*Config)
		cfg.Connection.Endpoints, cfg.Connection.TLS = []string{"amqps://mq.invalid"}, some(c.broker)
		set, api := defaultFirehose(), defaultManagement()
		api.Endpoints, api.Username, api.TLS = []string{"https://mq.invalid"}, "monitor", some(c.api)
		set.Management = some(api)
		cfg.Firehose = some(set)
		require.NoError(t, confmap.Validate(cfg))
		r := startReceiverOver(t, cfg, &collected{}, newFakeBroker(t).dial)
		var got []string
		for _, entry := range r.logs.FilterMessageSnippet("not verified").All() {
			got = append(got, entry.ContextMap()["setting"].(string))
		}
		assert.Equal(t, c.want, got)
		r.stop()
	}
}
