// Package e2e holds the end-to-end tests: a real RabbitMQ, a real Jaeger, the
// real binary with the published configuration, and one test for each promise.
// `make e2e` builds what they start.
package e2e
