// Command shopper makes the demo shop's traffic with a known truth.
package main

import (
	"os"

	"github.com/otelcol-journey/otelcol-journey/demo-services/internal/shopper"
)

func main() {
	os.Exit(shopper.Main(os.Args[1:]))
}
