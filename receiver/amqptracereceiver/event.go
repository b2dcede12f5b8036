package amqptracereceiver

const (
	eventPublish = "publish"
	eventDeliver = "deliver"

	// defaultExchangeName is what RabbitMQ's tools and the semantic conventions call the exchange named "".
	defaultExchangeName = "amq.default"
)
