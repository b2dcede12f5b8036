// Package stack starts the real parts a journey runs through, each as a child
// process of the caller: a RabbitMQ broker, a Jaeger, a collector, a Prometheus,
// a service.
// The demo and the end-to-end tests use it, so both run the same things in the
// same way.
//
// What it guarantees:
//
//   - every child leads its own process group, so that a Ctrl-C in the terminal
//     reaches the caller alone and the caller decides the order of stopping;
//   - every child ends with the caller, on Linux even when the caller is killed;
//   - everything listens on loopback and writes below the directory given;
//   - after Stop there is no process and no open port left.
//
// Read in this order: process.go (one child), ports.go, broker.go (which broker
// and its life), firehose.go, node.go and container.go (the two ways to own
// one), install.go, jaeger.go, collector.go, prometheus.go,
// service.go.
package stack
