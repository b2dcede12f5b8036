package journeysextension

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/config/confighttp"
	"go.opentelemetry.io/collector/confmap"

	"github.com/otelcol-journey/otelcol-journey/internal/journey"
)

// Config is what a user writes under `journeys:`.
type Config struct {
	// ServerConfig is where the page and the API are served; TLS and
	// authentication come with it.
	confighttp.ServerConfig `mapstructure:",squash"`

	// Hosts are the host names that requests may be for. By default it is any,
	// but on a loopback address localhost and the address alone: a page from
	// elsewhere whose name is made to resolve to this machine gets nothing.
	Hosts []string `mapstructure:"hosts"`

	// Interval is how often there are new answers.
	Interval time.Duration `mapstructure:"interval"`

	// TraceLink is the address of a kept trace in the trace store, with
	// {trace_id} where the id belongs. Empty: no links.
	TraceLink string `mapstructure:"trace_link"`

	Prices PricesConfig `mapstructure:"prices"`
	Limits LimitsConfig `mapstructure:"limits"`

	// prevent unkeyed literal initialization
	_ struct{}
}

// PricesConfig is what storing costs.
type PricesConfig struct {
	Currency        string  `mapstructure:"currency"`
	PerGB           float64 `mapstructure:"per_gb"` // of 10^9 bytes of OTLP
	PerMillionSpans float64 `mapstructure:"per_million_spans"`
}

// LimitsConfig bounds memory and work, whatever strangers send or ask.
type LimitsConfig struct {
	// Journeys is how many names are told apart; the rest is counted together.
	// A name that has not come for a day makes room.
	Journeys int `mapstructure:"journeys"`
	// Services, Edges and Paths are for one journey.
	Services int `mapstructure:"services"`
	Edges    int `mapstructure:"edges"`
	Paths    int `mapstructure:"paths"`
	// NameLength is in characters; longer names are cut.
	NameLength int `mapstructure:"name_length"`
	// MappedSpans is how many spans a second processors look at for the maps,
	// each processor. Of more, a fair part of the journeys is looked at, and
	// counts on the map are estimates.
	MappedSpans int `mapstructure:"mapped_spans"`
	// MemoryMiB is for the whole history. When it is used up, what is new is
	// counted with the rest or left off the maps.
	MemoryMiB int `mapstructure:"memory_mib"`
	// Requests is how many are answered at once; more get a 503.
	Requests int `mapstructure:"requests"`
	// RequestsPerSecond is how many are answered in a second; more get a 429,
	// after a second. It bounds the processor time that whoever asks can take
	// from the pipelines.
	RequestsPerSecond int `mapstructure:"requests_per_second"`
}

const defaultEndpoint = "localhost:8686"

func createDefaultConfig() component.Config {
	server := confighttp.NewDefaultServerConfig()
	server.NetAddr.Endpoint = defaultEndpoint
	server.ReadTimeout = 10 * time.Second
	server.ReadHeaderTimeout = 5 * time.Second
	server.MaxRequestBodySize = 1 << 10 // nobody has anything to send
	return &Config{
		ServerConfig: server,
		Interval:     2 * time.Second,
		Prices:       PricesConfig{Currency: "USD", PerGB: 0.3},
		Limits: LimitsConfig{
			Journeys: 500, Services: 200, Edges: 400, Paths: 50, NameLength: 200,
			MappedSpans: 1000, MemoryMiB: 64, Requests: 64, RequestsPerSecond: 500,
		},
	}
}

var _ confmap.Validator = (*Config)(nil)

// Validate reports every fault of its own settings at once.
func (c *Config) Validate() error {
	var errs []error
	if c.NetAddr.Endpoint == "" {
		errs = append(errs, errors.New("endpoint must be set"))
	}
	if c.Interval < 100*time.Millisecond || c.Interval > time.Minute {
		errs = append(errs, fmt.Errorf("interval must be between 100ms and 1m, got %s", c.Interval))
	}
	for i, host := range c.Hosts {
		if host == "" || strings.ContainsAny(host, "/:@ ") && !strings.HasPrefix(host, "[") {
			errs = append(errs, fmt.Errorf("hosts[%d] must be a host name or an address without a port, got %q", i, host))
		}
	}
	return errors.Join(append(errs, checkLink(c.TraceLink))...)
}

// traceIDMark is where the trace id belongs in a link.
const traceIDMark = "{trace_id}"

func checkLink(link string) error {
	if link == "" {
		return nil
	}
	parsed, err := url.Parse(strings.ReplaceAll(link, traceIDMark, "0"))
	switch {
	case !strings.Contains(link, traceIDMark):
		return fmt.Errorf("trace_link must contain %s, got %q", traceIDMark, link)
	case err != nil || parsed.Host == "" || parsed.Scheme != "http" && parsed.Scheme != "https":
		return fmt.Errorf("trace_link must be an address that begins with http:// or https://, got %q", link)
	case parsed.User != nil:
		return errors.New("trace_link must not contain a password: whoever looks at the page would see it")
	}
	return nil
}

// Validate checks the prices.
func (c *PricesConfig) Validate() error {
	var errs []error
	if len(c.Currency) > 16 {
		errs = append(errs, fmt.Errorf("currency must have at most 16 characters, got %q", c.Currency))
	}
	for key, price := range map[string]float64{"per_gb": c.PerGB, "per_million_spans": c.PerMillionSpans} {
		if !(price >= 0 && price <= 1e9) {
			errs = append(errs, fmt.Errorf("%s must be between 0 and 1e9, got %g", key, price))
		}
	}
	return errors.Join(errs...)
}

// Validate checks the limits.
func (c *LimitsConfig) Validate() error {
	var errs []error
	for _, l := range []struct {
		key               string
		value, from, upTo int
	}{
		{"journeys", c.Journeys, 1, 100_000},
		{"services", c.Services, 2, 10_000},
		{"edges", c.Edges, 1, 100_000},
		{"paths", c.Paths, 1, 10_000},
		{"name_length", c.NameLength, 8, 1000},
		{"mapped_spans", c.MappedSpans, 0, 1_000_000},
		{"memory_mib", c.MemoryMiB, 8, 16_384},
		{"requests", c.Requests, 1, 10_000},
		{"requests_per_second", c.RequestsPerSecond, 10, 1_000_000},
	} {
		if l.value < l.from || l.value > l.upTo {
			errs = append(errs, fmt.Errorf("%s must be between %d and %d, got %d", l.key, l.from, l.upTo, l.value))
		}
	}
	return errors.Join(errs...)
}

// forProcessors are the limits that processors hold as well.
func (c *LimitsConfig) forProcessors() journey.Limits {
	return journey.Limits{
		Journeys: c.Journeys, Services: c.Services, Edges: c.Edges, Paths: c.Paths,
		NameLength: c.NameLength, MappedSpans: c.MappedSpans,
	}
}
