// Command orders is one service of the demo shop; README.md has the map.
package main

import (
	"os"

	"github.com/otelcol-journey/otelcol-journey/demo-services/internal/app"
	"github.com/otelcol-journey/otelcol-journey/demo-services/internal/orders"
)

func main() {
	os.Exit(app.Main("orders", orders.Build))
}
