package stock

import (
	"github.com/otelcol-journey/otelcol-journey/demo-services/internal/app"
	"github.com/otelcol-journey/otelcol-journey/demo-services/internal/broker"
	"github.com/otelcol-journey/otelcol-journey/demo-services/internal/env"
	"github.com/otelcol-journey/otelcol-journey/demo-services/internal/telemetry"
)

// workers is how many messages of each queue are in hand at a time.
const workers = 8

// Build wires the program stock.
func Build(r *env.Reader) ([]app.Part, error) {
	address, err := broker.URL(r)
	if err != nil {
		return nil, err
	}
	sdk, err := telemetry.New(r)
	if err != nil {
		return nil, err
	}
	publisher := broker.NewPublisher(address, "stock publisher")
	service := New(sdk.Instruments, publisher)
	checkouts := broker.NewConsumer(address, "stock reservations", broker.StockQueue, workers, service.Reserve)
	restocks := broker.NewConsumer(address, "stock restocks", broker.RestockQueue, workers, service.Restock)
	checks := app.Checks{"publisher": publisher.Ready, "reservations": checkouts.Ready, "restocks": restocks.Ready}
	return []app.Part{
		sdk, publisher, checkouts, restocks, // the consumers publish, so they stop before the publisher
		app.NewHTTPServer(r, "HTTP_ADDRESS", app.WithHealth(checks, sdk.Server(service.Routes()))),
	}, nil
}
