package amqptracereceiver

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/confmap"
)

// load reads the YAML of one receiver's section as the collector does, and validates it.
func load(t *testing.T, text string) (*Config, error) {
	t.Helper()
	retrieved, err := confmap.NewRetrievedFromYAML([]byte(text))
	require.NoError(t, err)
	conf, err := retrieved.AsConf()
	require.NoError(t, err)
	cfg := createDefaultConfig().(*Config)
	if err := conf.Unmarshal(cfg); err != nil {
		return nil, err
	}
	return cfg, confmap.Validate(cfg)
}

func TestDefaultConfigIsValid(t *testing.T) {
	cfg, err := load(t, "{}")
	require.NoError(t, err)
	assert.Equal(t, "firehose", newSource(cfg, newDecoder(cfg)).name())
	assert.Equal(t, []binding{{exchange: traceExchange, key: "publish.#"}, {exchange: traceExchange, key: "deliver.#"}},
		newSource(cfg, newDecoder(cfg)).bindings())
}

func TestConfigIsRead(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("testdata", "full.yaml"))
	require.NoError(t, err)
	cfg, err := load(t, string(text))
	require.NoError(t, err)
	assert.Equal(t, []string{"amqps://mq-1:5671", "amqps://mq-2"}, cfg.Connection.Endpoints)
	assert.Equal(t, "otel", cfg.Connection.Auth.Plain.Get().Username)
	assert.Equal(t, "[REDACTED]", fmt.Sprint(cfg.Connection.Auth.Plain.Get().Password))
	assert.Equal(t, "ca.pem", cfg.Connection.TLS.Get().CAFile)
	assert.Equal(t, []binding{
		{exchange: traceExchange, key: "publish.shop"}, {exchange: traceExchange, key: "publish."}, {exchange: traceExchange, key: "deliver.stock.#"},
	}, newSource(cfg, newDecoder(cfg)).bindings())
	assert.Equal(t, 2*time.Minute, cfg.Firehose.Get().SilenceWarning)
	assert.Equal(t, "otel.shop", queueName(cfg.OwnQueue))
	assert.Equal(t, int64(300_000), queueArguments(cfg.OwnQueue)["x-expires"])
	assert.False(t, cfg.Spans.RespectSampledFlag)
}

func TestExclusiveQueueHasANewNameEachTime(t *testing.T) {
	cfg := createDefaultConfig().(*Config).OwnQueue
	assert.NotEqual(t, queueName(cfg), queueName(cfg))
	assert.True(t, ownQueue(queueName(cfg)))
	assert.NotContains(t, queueArguments(cfg), "x-expires")
	assert.Equal(t, "drop-head", queueArguments(cfg)["x-overflow"])
}

// One document in testdata/invalid.yaml for each rule; its first line says what the message must hold.
func TestEveryMistakeNamesKeyAndValue(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("testdata", "invalid.yaml"))
	require.NoError(t, err)
	documents := strings.Split(string(text), "\n---\n")
	require.Greater(t, len(documents), 25)
	for _, document := range documents {
		want, rest, _ := strings.Cut(strings.TrimSpace(document), "\n")
		want = strings.TrimPrefix(want, "# ")
		t.Run(want, func(t *testing.T) {
			_, err := load(t, rest)
			require.Error(t, err)
			assert.Contains(t, err.Error(), want)
		})
	}
}

func TestAllMistakesAreReportedAtOnce(t *testing.T) {
	_, err := load(t, `
connection: {endpoints: ["http://mq"], vhost: "", heartbeat: 10ms}
own_queue: {name: mine, max_length: 0}
consumer: {prefetch: 0}`)
	require.Error(t, err)
	for _, want := range []string{"endpoints[0]", `"http://mq"`, "vhost", "heartbeat", "10ms", "name", `"mine"`, "max_length", "prefetch"} {
		assert.Contains(t, err.Error(), want)
	}
}

func TestCredentialsInAnEndpointAreNeverQuoted(t *testing.T) {
	for _, text := range []string{
		"amqp://user:s3cret@mq:5672", "amqp://user:s3cr%zzet@mq", "user:s3cret@mq", "amqp://us@er:s3cret@mq", "http://user:s3cret@mq",
		"amqp://user:s3cret@mq/vhost", "amqp://user:s3cret@", "://user:s3cret@mq",
	} {
		_, err := parseEndpoint(text)
		require.Error(t, err, text)
		assert.NotContains(t, err.Error(), "cret")
		assert.NotContains(t, err.Error(), "user")
	}
}

func TestEndpoints(t *testing.T) {
	for text, want := range map[string]string{
		"amqp://mq": "amqp://mq:5672", "amqps://mq": "amqps://mq:5671", "amqp://[::1]:99/": "amqp://[::1]:99", "amqps://10.0.0.1:1": "amqps://10.0.0.1:1",
	} {
		e, err := parseEndpoint(text)
		require.NoError(t, err)
		assert.Equal(t, want, e.String())
	}
	for text, want := range map[string]bool{"amqp://localhost": true, "amqp://127.0.0.7": true, "amqp://[::1]": true, "amqp://mq": false, "amqp://10.0.0.1": false} {
		e, err := parseEndpoint(text)
		require.NoError(t, err)
		assert.Equal(t, want, e.loopback(), text)
	}
}

// Every YAML block of the README that configures this receiver loads.
func TestReadmeExamplesLoad(t *testing.T) {
	text, err := os.ReadFile("README.md")
	require.NoError(t, err)
	blocks := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(string(text), -1)
	require.GreaterOrEqual(t, len(blocks), 3)
	t.Setenv("AMQP_PASSWORD", "secret")
	for i, block := range blocks {
		if strings.HasPrefix(block[1], "services:") || strings.HasPrefix(block[1], "apiVersion:") {
			continue // of the broker; switch_on_test.go
		}
		retrieved, err := confmap.NewRetrievedFromYAML([]byte(strings.ReplaceAll(block[1], "${env:AMQP_PASSWORD}", "secret")))
		require.NoError(t, err)
		conf, err := retrieved.AsConf()
		require.NoError(t, err)
		section, err := conf.Sub("receivers::amqp_trace")
		require.NoError(t, err)
		require.NotEmpty(t, section.AllKeys(), "block %d has no receivers::amqp_trace", i)
		cfg := createDefaultConfig().(*Config)
		require.NoError(t, section.Unmarshal(cfg))
		require.NoError(t, confmap.Validate(cfg))
	}
}

// Every setting has its row in the README, and every row its setting.
func TestReadmeHasEverySettingAndNoOther(t *testing.T) {
	shown := readmeSettings(t)
	known := settingKeys("", reflect.TypeFor[Config]())
	for _, key := range known {
		assert.Contains(t, shown, key, "a setting without a row")
	}
	for _, key := range shown {
		isSection := slices.ContainsFunc(known, func(leaf string) bool { return strings.HasPrefix(leaf, key+"::") })
		assert.True(t, isSection || slices.Contains(known, key), "a row without a setting: %s", key)
	}
}

// readmeSettings are the keys in the first column of the settings table. A key without a section has that of
// the one before it in its row.
func readmeSettings(t *testing.T) (keys []string) {
	t.Helper()
	text, err := os.ReadFile("README.md")
	require.NoError(t, err)
	_, table, found := strings.Cut(string(text), "\n## Settings\n")
	require.True(t, found)
	table, _, _ = strings.Cut(table, "\n#")
	for line := range strings.Lines(table) {
		if !strings.HasPrefix(line, "| `") {
			continue
		}
		section := ""
		for _, quoted := range regexp.MustCompile("`([a-z_:]+)`").FindAllStringSubmatch(strings.Split(line, "|")[1], -1) {
			key := quoted[1]
			if !strings.Contains(key, "::") {
				key = section + key
			}
			section = ""
			if end := strings.LastIndex(key, "::"); end > 0 {
				section = key[:end+len("::")]
			}
			keys = append(keys, key)
		}
	}
	return keys
}

// settingKeys lists the leaves of a configuration struct; what belongs to others (TLS) is one leaf.
func settingKeys(prefix string, typ reflect.Type) (keys []string) {
	for i := range typ.NumField() {
		field := typ.Field(i)
		key := prefix + field.Tag.Get("mapstructure")
		inner := field.Type
		if get, optional := reflect.PointerTo(inner).MethodByName("Get"); optional {
			inner = get.Type.Out(0).Elem()
		}
		if inner.Kind() == reflect.Struct && inner.NumField() > 0 && inner.PkgPath() == typ.PkgPath() {
			keys = append(keys, settingKeys(key+"::", inner)...)
			continue
		}
		keys = append(keys, key)
	}
	return keys
}
