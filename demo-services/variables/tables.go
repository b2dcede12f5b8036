package variables

import "slices"

var programs = map[string][]Variable{
	"gateway": slices.Concat(common(), instrumented("gateway"), []Variable{
		httpAddress("localhost:8080"),
		{Name: "CHECKOUT_SERVICE_ADDRESS", Kind: Address, Default: "localhost:50051", Purpose: "gRPC address of checkout"},
		{Name: "ORDERS_SERVICE_URL", Kind: HTTPURL, Default: "http://localhost:8081", Purpose: "where orders answers"},
		usersURL(),
	}),
	"checkout": slices.Concat(common(), instrumented("checkout"), rabbitMQ(), []Variable{
		{Name: "GRPC_ADDRESS", Kind: Address, Default: "localhost:50051", Purpose: "address the gRPC service listens on"},
		healthAddress("localhost:8085"),
	}),
	"stock": slices.Concat(common(), instrumented("stock"), rabbitMQ(), []Variable{
		httpAddress("localhost:8083"),
	}),
	"orders": slices.Concat(common(), instrumented("orders"), metrics(), []Variable{
		httpAddress("localhost:8081"),
		usersURL(),
		{Name: "SHOP_ENVIRONMENT", Kind: Text, Default: "demo", Purpose: "value of the baggage member environment"},
		{Name: "SHOP_VERSION", Kind: Text, Default: "1.0.0", Purpose: "value of the baggage member version"},
	}),
	"users": slices.Concat(common(), instrumented("users"), metrics(), []Variable{
		httpAddress("localhost:8082"),
	}),
	"mailer":  slices.Concat(common(), rabbitMQ(), []Variable{healthAddress("localhost:8084")}),
	"shopper": slices.Concat(common(), shopper()),
}

func common() []Variable {
	return []Variable{
		{
			Name: "LOG_LEVEL", Kind: Choice, Default: "info", Choices: []string{"debug", "info", "warn", "error"},
			Purpose: "least severity of the log lines on standard error",
		},
	}
}

func httpAddress(address string) Variable {
	return Variable{Name: "HTTP_ADDRESS", Kind: Address, Default: address, Purpose: "address the HTTP service and the health endpoints listen on"}
}

func healthAddress(address string) Variable {
	return Variable{Name: "HEALTH_ADDRESS", Kind: Address, Default: address, Purpose: "address the health endpoints listen on"}
}

func usersURL() Variable {
	return Variable{Name: "USERS_SERVICE_URL", Kind: HTTPURL, Default: "http://localhost:8082", Purpose: "where users answers"}
}

func rabbitMQ() []Variable {
	return []Variable{
		{Name: "RABBITMQ_URL", Kind: AMQPURL, Secret: true, Purpose: "whole address of the broker; not together with the five below"},
		{Name: "RABBITMQ_HOST", Kind: Text, Default: "localhost", Purpose: "host of the broker"},
		{Name: "RABBITMQ_PORT", Kind: Port, Default: "5672", Purpose: "AMQP port of the broker"},
		{Name: "RABBITMQ_USERNAME", Kind: Text, Default: "guest", Purpose: "user at the broker"},
		{Name: "RABBITMQ_PASSWORD", Kind: Text, Default: "guest", Secret: true, Purpose: "password at the broker"},
		{Name: "RABBITMQ_VHOST", Kind: Text, Default: "/", Purpose: "virtual host at the broker"},
	}
}

func metrics() []Variable {
	return []Variable{{
		Name: "OTEL_METRICS_EXPORTER", Kind: Choice, Default: "prometheus", Choices: []string{"prometheus", "none"},
		Purpose: "prometheus serves /metrics on HTTP_ADDRESS",
	}}
}

func shopper() []Variable {
	return []Variable{
		{Name: "GATEWAY_URL", Kind: HTTPURL, Default: "http://localhost:8080", Purpose: "where gateway answers"},
		{Name: "STOCK_SERVICE_URL", Kind: HTTPURL, Default: "http://localhost:8083", Purpose: "where stock answers"},
		{Name: "SHOPPER_RATE", Kind: Number, Default: "40", Purpose: "journeys a second"},
		{Name: "SHOPPER_DURATION", Kind: Duration, Default: "60s", Purpose: "how long to send; 0 sends until stopped"},
		{Name: "SHOPPER_SEED", Kind: Integer, Default: "1", Purpose: "the same seed gives the same plan"},
		{Name: "SHOPPER_TRUTH_FILE", Kind: Text, Default: "truth.jsonl", Purpose: "file the truth is written to"},
		{Name: "SHOPPER_WAIT", Kind: Duration, Default: "30s", Purpose: "how long to wait for the shop to be ready"},
		{Name: "SHOPPER_TAIL", Kind: Duration, Default: "8s", Purpose: "how long to wait after the last answer for queues with a delay"},
		{
			Name: "SHOPPER_SHARES", Kind: Shares, Default: "checkout=60,order_history=30,restock=8,gift_card=2",
			Purpose: "percent of the journeys; together 100",
		},
		{
			Name: "SHOPPER_CHECKOUT_CLASSES", Kind: Shares,
			Default: "failed=2,slow=1,retried=0.7,dead_lettered=0.4,unroutable=0.4,lost=0.4",
			Purpose: "percent of the checkouts; the rest is ok",
		},
		{Name: "SHOPPER_ORDER_HISTORY_CLASSES", Kind: Shares, Default: "failed=2", Purpose: "percent of the order histories; the rest is ok"},
	}
}
