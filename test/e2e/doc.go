// Package e2e proves the promises of the README on the real parts: the built
// collector with the published otelcol-config.yaml, a RabbitMQ broker, a Jaeger
// that stores on disk, and the programs of the demo shop. One test a promise,
// nothing replaced by a stand-in. `make e2e` builds what it needs and runs it.
//
// What a test sends it builds itself, with pdata and plain OTLP requests, so
// that it knows every id. What became of it is read where a user would look:
// in Jaeger's HTTP API, in the collector's Prometheus metrics, in the log file.
//
// Every test has a Jaeger and a collector of its own (they start within a
// second) and a virtual host of its own at one broker, so tests run side by
// side and their counters are exact. All they write is below .run/e2e; it is
// removed when all has passed.
//
// With AMQP_URL they use that broker instead, one after the other: its virtual
// host should be an empty one with the firehose on. Tests that kill a broker or
// run the shop are skipped then.
//
// Read in this order: main_test.go (what the tests share), parts_test.go (what
// one test runs on), traffic_test.go (what is sent), jaeger_test.go and
// metrics_test.go (what became of it), await_test.go; then any test.
package e2e
