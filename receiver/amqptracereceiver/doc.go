// Package amqptracereceiver turns what a RabbitMQ broker saw of traced messages into spans.
package amqptracereceiver
