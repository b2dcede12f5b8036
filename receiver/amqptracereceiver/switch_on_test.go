package amqptracereceiver

import (
	"encoding/base64"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/otelcol-journey/otelcol-journey/internal/stack"
)

// fencesOf returns the README's blocks in a language.
func fencesOf(t *testing.T, language string) (blocks []string) {
	t.Helper()
	text, err := os.ReadFile("README.md")
	require.NoError(t, err)
	for _, match := range regexp.MustCompile("(?s)```"+language+"\n(.*?)```").FindAllStringSubmatch(string(text), -1) {
		blocks = append(blocks, match[1])
	}
	return blocks
}

// ownedBroker is one that we may control.
func ownedBroker(t *testing.T) *stack.Broker {
	t.Helper()
	b := broker.Get(t)
	if !b.Owned() {
		t.Skip("the broker of AMQP_URL is not ours to control")
	}
	return b
}

func ctl(t *testing.T, b *stack.Broker, args ...string) string {
	t.Helper()
	out, err := b.Control(t.Context(), args...)
	require.NoError(t, err, "%s", out)
	return strings.TrimSpace(string(out))
}

// asTerm has the broker itself read the text as it reads advanced.config.
func asTerm(t *testing.T, b *stack.Broker, text string) string {
	t.Helper()
	encoded := base64.StdEncoding.EncodeToString([]byte(text))
	return ctl(t, b, "eval", `{ok, Tokens, _} = erl_scan:string(binary_to_list(base64:decode(<<"`+encoded+
		`">>))), {ok, Term} = erl_parse:parse_term(Tokens), Term.`)
}

// The setting that the README shows is the one of the broker that all tests run on, and that the tests of
// a killed broker start again.
func TestTracingIsSwitchedOnAsTheReadmeSays(t *testing.T) {
	b := ownedBroker(t)
	running := ctl(t, b, "eval", "application:get_env(rabbit, trace_vhosts).")
	require.Equal(t, `{ok,[<<"/">>]}`, running)
	want := `[{rabbit,[{trace_vhosts,[<<"/">>]}]}]`
	blocks := fencesOf(t, "erlang")
	require.NotEmpty(t, blocks)
	for _, block := range blocks {
		assert.Equal(t, want, asTerm(t, b, block))
	}
	deployed, err := os.ReadFile("../../deploy/rabbitmq/advanced.config")
	require.NoError(t, err)
	assert.Equal(t, want, asTerm(t, b, string(deployed)))
	assert.Equal(t, want, asTerm(t, b, operatorManifest(t).Spec.RabbitMQ.AdvancedConfig))
	assert.Contains(t, ctl(t, b, "trace_on", "-p", "/"), "/")
}

// manifest is the part of a RabbitmqCluster of the Kubernetes operator that is shown.
type manifest struct {
	Kind string
	Spec struct {
		RabbitMQ struct {
			AdvancedConfig   string `yaml:"advancedConfig"`
			AdditionalConfig string `yaml:"additionalConfig"`
		} `yaml:"rabbitmq"`
	}
}

func operatorManifest(t *testing.T) (m manifest) {
	t.Helper()
	for _, block := range fencesOf(t, "yaml") {
		if strings.HasPrefix(block, "apiVersion: rabbitmq.com/") {
			require.NoError(t, yaml.Unmarshal([]byte(block), &m))
		}
	}
	require.Equal(t, "RabbitmqCluster", m.Kind)
	return m
}

// RabbitMQ below 3.12 refuses the line, so what the tests have to run on may not load it: it is the same everywhere, at least.
func TestTheLineForTrueDurationsIsTheSameEverywhere(t *testing.T) {
	lines := fencesOf(t, "ini")
	require.Len(t, lines, 1)
	deployed, err := os.ReadFile("../../deploy/rabbitmq/rabbitmq.conf")
	require.NoError(t, err)
	assert.Contains(t, "\n"+string(deployed), "\n"+lines[0])
	assert.Equal(t, lines[0], operatorManifest(t).Spec.RabbitMQ.AdditionalConfig)
}

// What the README mounts is where compose's file for the demo mounts it.
func TestComposeSnippetMountsWhatTheDemoMounts(t *testing.T) {
	type file struct {
		Services map[string]struct{ Volumes []string }
	}
	var shown, demo file
	for _, block := range fencesOf(t, "yaml") {
		if strings.HasPrefix(block, "services:") {
			require.NoError(t, yaml.Unmarshal([]byte(block), &shown))
		}
	}
	text, err := os.ReadFile("../../docker-compose.yaml")
	require.NoError(t, err)
	require.NoError(t, yaml.Unmarshal(text, &demo))
	require.NotEmpty(t, shown.Services["rabbitmq"].Volumes)
	for _, volume := range shown.Services["rabbitmq"].Volumes {
		assert.Contains(t, demo.Services["rabbitmq"].Volumes, volume)
	}
}
