// Package amqptracereceiver turns what a RabbitMQ broker saw of traced messages into spans: every
// publish, every delivery, and the time in the queue between them.
//
// One message from the socket to the pipeline, and back to the broker as an acknowledgement:
//
//	receiver.go    supervise: one epoch after the other, with backoff, until Shutdown
//	epoch.go       live through one connection: dial, declare, consume
//	connection.go    dial (endpoint.go), log in, subscribe; say why it ended
//	wire.go          throw bodies away, and header blocks that are too large; keep tables from the client
//	declare.go       make and bind the own queue (source.go: firehose.go or tap.go)
//	caution.go       get past a message that the client cannot parse
//	consume.go     read: when to settle, when to ask for the queue's depth, when to stop
//	handover.go    hand batches to the pipeline, several at once by setting
//	delivery.go    decide the fate of deliveries: acknowledge, hold, give back
//	headers.go       decode the header table
//	firehose.go      decode a message of the trace exchange … tap.go … or of a tapped exchange
//	event.go         into an event, as far as a span needs it
//	carrier.go       headers to span context
//	clock.go         stamp: from when to when, and who says so (pairing.go: publish to delivery)
//	spans.go       build spans of events (identity.go: with ids that never change)
//	telemetry.go   count it all, once for each batch
//
// A goroutine started by Start owns all of it; nothing is shared but the two contexts that Shutdown
// cancels. Only wire.go is called by another goroutine, the AMQP client's reader.
package amqptracereceiver
