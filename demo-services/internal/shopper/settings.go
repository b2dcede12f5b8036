package shopper

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/otelcol-journey/otelcol-journey/demo-services/internal/app"
	"github.com/otelcol-journey/otelcol-journey/demo-services/internal/env"
	"github.com/otelcol-journey/otelcol-journey/demo-services/variables"
)

// Settings are what a run is made of.
type Settings struct {
	GatewayURL       string
	StockURL         string
	JourneysPerSec   float64
	Duration         time.Duration // 0: until stopped
	Seed             int64
	TruthFile        string
	Wait             time.Duration // for the shop to be ready
	Tail             time.Duration // after the last answer
	Mix              Mix
	progressInterval time.Duration
}

// errListed means that the flags asked for the list of variables only.
var errListed = errors.New("variables listed")

// ParseSettings reads flags and environment; a flag goes before its variable.
// Every SHOPPER_NAME has a flag -name, and the two URLs are -gateway-url and
// -stock-service-url.
func ParseSettings(args []string, lookup func(string) (string, bool)) (Settings, error) {
	flags := flag.NewFlagSet("shopper", flag.ContinueOnError)
	list := flags.Bool("variables", false, "print the environment variables this program reads, as JSON")
	given := map[string]string{}
	for _, v := range variables.Of("shopper") {
		usage := fmt.Sprintf("%s (%s; default %q, or %s)", v.Purpose, v.Kind, v.Default, v.Name)
		flags.Func(flagName(v.Name), usage, func(value string) error {
			given[v.Name] = value
			return nil
		})
	}
	if err := flags.Parse(args); err != nil {
		return Settings{}, err
	}
	if flags.NArg() > 0 {
		return Settings{}, fmt.Errorf("unknown argument %q", flags.Arg(0))
	}
	if *list {
		app.PrintVariables(os.Stdout, "shopper")
		return Settings{}, errListed
	}
	r, err := env.Read("shopper", func(name string) (string, bool) {
		if value, ok := given[name]; ok {
			return value, true
		}
		return lookup(name)
	})
	if err != nil {
		return Settings{}, err
	}
	return fromReader(r)
}

func flagName(variable string) string {
	name := strings.TrimPrefix(variable, "SHOPPER_")
	return strings.ToLower(strings.ReplaceAll(name, "_", "-"))
}

func fromReader(r *env.Reader) (Settings, error) {
	s := Settings{
		GatewayURL:       strings.TrimSuffix(r.Text("GATEWAY_URL"), "/"),
		StockURL:         strings.TrimSuffix(r.Text("STOCK_SERVICE_URL"), "/"),
		JourneysPerSec:   r.Float("SHOPPER_RATE"),
		Duration:         r.Duration("SHOPPER_DURATION"),
		Seed:             int64(r.Int("SHOPPER_SEED")),
		TruthFile:        r.Text("SHOPPER_TRUTH_FILE"),
		Wait:             r.Duration("SHOPPER_WAIT"),
		Tail:             r.Duration("SHOPPER_TAIL"),
		progressInterval: 10 * time.Second,
	}
	var err error
	s.Mix, err = NewMix(shares(r, "SHOPPER_SHARES"), map[string][]env.Share{
		Checkout:     shares(r, "SHOPPER_CHECKOUT_CLASSES"),
		OrderHistory: shares(r, "SHOPPER_ORDER_HISTORY_CLASSES"),
	})
	if err != nil {
		return Settings{}, fmt.Errorf("SHOPPER_SHARES, SHOPPER_CHECKOUT_CLASSES or SHOPPER_ORDER_HISTORY_CLASSES: %w", err)
	}
	return s, nil
}

func shares(r *env.Reader, name string) []env.Share {
	s, _ := env.ParseShares(r.Text(name)) // the reader has checked it
	return s
}
