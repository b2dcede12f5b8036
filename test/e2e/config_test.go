package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// mistake is an overlay over the published configuration that must not pass.
// The message has to name the key and the value found.
type mistake struct {
	name string
	yaml string // under the component's id
	says []string
}

const (
	underJourney = "processors: {journey: {%}}"
	underAMQP    = "receivers: {amqp_trace: {%}}"
)

var journeyMistakes = []mistake{
	{"an unknown key", `complete: {quiet: 3s}`, []string{"journey", "complete"}},
	{"a journey without a name", `journeys: [{match: {service: a}}]`, []string{"journeys::0", "name must be set"}},
	{"two journeys of one name", `journeys: [{name: a, match: {service: a}}, {name: a, match: {service: b}}]`, []string{"journeys::1::name", `"a"`}},
	{"a match that matches all", `journeys: [{name: a, match: {}}]`, []string{"journeys::0", "match", "must ask for something"}},
	{"an unknown kind", `journeys: [{name: a, match: {kind: sever}}]`, []string{"journeys::0::match", "kind", `"sever"`}},
	{"an unknown status", `journeys: [{name: a, match: {status: bad}}]`, []string{"journeys::0::match", "status", `"bad"`}},
	{"a step without a name", `journeys: [{name: a, match: {root: true}, steps: [{match: {service: a}}]}]`, []string{"journeys::0::steps::0", "name must be set"}},
	{"two steps of one name", `journeys: [{name: a, match: {root: true}, steps: [{name: s, match: {service: a}}, {name: s, match: {service: b}}]}]`, []string{"steps::1::name", `"s"`}},
	{"no quiet time", `completion: {quiet: 0s}`, []string{"completion", "quiet", "0s"}},
	{"missing_wait below quiet", `completion: {missing_wait: 1s}`, []string{"completion", "missing_wait", "1s"}},
	{"message_wait below quiet", `completion: {message_wait: 2s}`, []string{"completion", "message_wait", "2s"}},
	{"max_wait below message_wait", `completion: {max_wait: 1m}`, []string{"completion", "max_wait", "1m"}},
	{"a time without a unit", `completion: {quiet: soon}`, []string{"completion", "quiet", "soon"}},
	{"a time that is a number", `completion: {quiet: 3}`, []string{"completion.quiet", "3", "such as"}},
	{"an unknown error mode", `outcome: {error: some_span}`, []string{"outcome", "error", `"some_span"`}},
	{"an unknown rootless mode", `outcome: {missing_root: fine}`, []string{"outcome", "missing_root", `"fine"`}},
	{"a rule without a name", `sampling: {rules: [{keep: 5%}]}`, []string{"sampling::rules::0", "name must be set"}},
	{"a rule that forgot keep", `sampling: {rules: [{name: a}]}`, []string{"sampling::rules::0", "keep must be set", `"a"`}},
	{"more than all", `sampling: {rules: [{name: a, keep: 120%}]}`, []string{"keep", "120%"}},
	{"less than nothing", `sampling: {rules: [{name: a, keep: -1%}]}`, []string{"keep", "-1%"}},
	{"a share without percent", `sampling: {rules: [{name: a, keep: 5}]}`, []string{"sampling.rules[0].keep", "5", "such as"}},
	{"a share that is no number", `sampling: {rules: [{name: a, keep: most}]}`, []string{"keep", "most"}},
	{"an unknown outcome", `sampling: {rules: [{name: a, when: {outcome: failed}, keep: 5%}]}`, []string{"rules::0::when", "outcome", `"failed"`}},
	{"a journey nobody named", `sampling: {rules: [{name: a, when: {journey: chekout}, keep: 5%}]}`, []string{"rules::0::when::journey", `"chekout"`}},
	{"a negative duration", `sampling: {rules: [{name: a, when: {slower_than: -1s}, keep: 5%}]}`, []string{"rules::0::when", "slower_than", "-1s"}},
	{"an empty match in a rule", `sampling: {rules: [{name: a, when: {match: {}}, keep: 5%}]}`, []string{"rules::0", "match", "must ask for something"}},
	{"too little memory", `buffer: {memory: 1KiB}`, []string{"buffer", "memory", "1KiB"}},
	{"memory without a unit", `buffer: {memory: much}`, []string{"memory", "much"}},
	{"memory that is a number", `buffer: {memory: 512}`, []string{"buffer.memory", "512", "such as"}},
	{"a trace larger than the buffer", `buffer: {trace: 1GiB}`, []string{"buffer", "trace", "1GiB"}},
	{"negative decisions", `decisions: {kept: -1}`, []string{"decisions", "kept", "-1"}},
	{"an empty batch", `release: {max_batch: 0}`, []string{"release", "max_batch", "0"}},
	{"nobody to release", `release: {consumers: 0}`, []string{"release", "consumers", "0"}},
	{"an unknown severity", `logs: {always_keep: LOUD}`, []string{"logs", "always_keep", `"LOUD"`}},
	{"an unknown word for records without a trace", `logs: {without_trace: ask}`, []string{"logs", "without_trace", `"ask"`}},
	{"no wait for spans", `logs: {wait_for_spans: 0s}`, []string{"logs", "wait_for_spans", "0s"}},
	{"no journey names", `telemetry: {max_journeys: 0}`, []string{"telemetry", "max_journeys", "0"}},
}

var amqpMistakes = []mistake{
	{"an unknown key", `fire_hose: {}`, []string{"amqp_trace", "fire_hose"}},
	{"two sources", `tap: [{exchange: shop, type: topic, binding_keys: ["#"]}]`, []string{"firehose", "tap"}},
	{"no endpoint", `connection: {endpoints: []}`, []string{"connection", "endpoints", "none"}},
	{"another scheme", `connection: {endpoints: ["http://localhost:5672"]}`, []string{"connection", "endpoints[0]", "http"}},
	{"credentials in the endpoint", `connection: {endpoints: ["amqp://me:secret@localhost:5672"]}`, []string{"endpoints[0]"}},
	{"a vhost in the endpoint", `connection: {endpoints: ["amqp://localhost:5672/shop"]}`, []string{"endpoints[0]", "shop"}},
	{"no vhost", `connection: {vhost: ""}`, []string{"connection", "vhost", `""`}},
	{"a hasty heartbeat", `connection: {heartbeat: 10ms}`, []string{"connection", "heartbeat", "10ms"}},
	{"no time to connect", `connection: {connection_timeout: 0s}`, []string{"connection", "connection_timeout", "0s"}},
	{"two ways to log in", `connection: {auth: {external: {}}}`, []string{"auth", "plain, external"}},
	{"no user", `connection: {auth: {plain: {username: ""}}}`, []string{"auth::plain", "username", `""`}},
	{"a shrinking interval", `reconnect: {initial_interval: 1m}`, []string{"reconnect", "max_interval", "30s"}},
	{"no interval", `error_backoff: {initial_interval: 0s}`, []string{"error_backoff", "initial_interval", "0s"}},
	{"an unknown event", `firehose: {events: [ack]}`, []string{"firehose", "events[0]", `"ack"`}},
	{"no event", `firehose: {events: []}`, []string{"firehose", "events", "none"}},
	{"an empty pattern", `firehose: {exchanges: [""]}`, []string{"firehose", "exchanges[0]"}},
	{"negative silence", `firehose: {silence_warning: -1s}`, []string{"firehose", "silence_warning", "-1s"}},
	{"a queue that is not ours", `own_queue: {name: stock-queue}`, []string{"own_queue", "name", `"stock-queue"`}},
	{"a queue that ends at once", `own_queue: {durable: true, expires: 0s}`, []string{"own_queue", "expires", "0s"}},
	{"a queue without room", `own_queue: {max_length: 0}`, []string{"own_queue", "max_length", "0"}},
	{"too much prefetch", `consumer: {prefetch: 70000}`, []string{"consumer", "prefetch", "70000"}},
	{"acks beyond the prefetch", `consumer: {prefetch: 10, ack_every: 11}`, []string{"consumer", "ack_every", "11"}},
	{"no ack interval", `consumer: {ack_interval: 0s}`, []string{"consumer", "ack_interval", "0s"}},
	{"a broker without a name", `spans: {service_name: ""}`, []string{"spans", "service_name", `""`}},
	{"a short header", `limits: {max_header_value: 10}`, []string{"limits", "max_header_value", "10"}},
	{"nothing to pair", `limits: {max_pending: 0}`, []string{"limits", "max_pending", "0"}},
	{"a long hold", `limits: {max_hold: 1h}`, []string{"limits", "max_hold", "1h"}},
}

func TestMistakesInTheConfigurationAreNamed(t *testing.T) {
	t.Parallel()
	for component, mistakes := range map[string][]mistake{underJourney: journeyMistakes, underAMQP: amqpMistakes} {
		for _, m := range mistakes {
			t.Run(strings.Split(component, ":")[0]+"/"+m.name, func(t *testing.T) {
				t.Parallel()
				message := validate(t, strings.Replace(component, "%", m.yaml, 1))
				for _, part := range m.says {
					require.Contains(t, message, part)
				}
				require.NotContains(t, message, "secret", "a password in an error message")
			})
		}
	}
}

func TestSeveralMistakesAreReportedTogether(t *testing.T) {
	t.Parallel()
	message := validate(t, strings.Replace(underJourney, "%",
		`completion: {quiet: -1s}, logs: {always_keep: LOUD}, release: {consumers: 0}`, 1))
	for _, part := range []string{"quiet", "-1s", "always_keep", `"LOUD"`, "consumers"} {
		require.Contains(t, message, part)
	}
}

// validate runs the collector's own check, which must fail, and returns what
// it printed.
func validate(t *testing.T, overlay string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "overlay.yaml")
	require.NoError(t, os.WriteFile(path, []byte(overlay), 0o600))
	out, err := collectorCommand(t, "validate", "--config", published(), "--config", path).CombinedOutput()
	var failed *exec.ExitError
	require.ErrorAs(t, err, &failed, "the configuration must not pass:\n%s\n%s", overlay, out)
	require.NotContains(t, string(out), "panic")
	t.Logf("%s\n%s", overlay, out)
	return string(out)
}

func collectorCommand(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	return exec.CommandContext(t.Context(), program("otelcol-journey"), args...)
}
