package amqptracereceiver

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/otelcol-journey/otelcol-journey/internal/stack"
	"github.com/otelcol-journey/otelcol-journey/internal/stack/stacktest"
)

// broker is one real RabbitMQ for all tests of this package that need one.
var broker = stacktest.Shared(stack.BrokerSpec{})

// testMain is called by the generated TestMain. The brokers end before the look for leaked goroutines.
func testMain(m *testing.M) int {
	return broker.Run(m, secureBroker.Stop, func() error { return goleak.Find() })
}
