// Package amqptracereceiver turns what a RabbitMQ broker saw of traced messages into spans: every
// publish, every delivery, and the time in the queue between them.
//
// One message from the socket to the pipeline, and back to the broker as an acknowledgement:
//
//	receiver.go    supervise: one epoch after the other, with backoff, until Shutdown
//	epoch.go       live through one connection: dial, declare, consume
//	connection.go    dial (endpoint.go), log in, ask and wait no longer than for so long
//	wire.go          throw bodies away, and header blocks that are too large; keep tables from the client
//	declare.go       make and bind the own queue (source.go: firehose.go or tap.go)
//	subscription.go  consume from it
//	gauge.go         ask for the queue's depth, beside all that
//	caution.go       get past a message that the client cannot parse
//	ends.go          why it ended: for the metric, the status, and how soon to try again
//	consume.go     read: when to settle, when to stop
//	handover.go    hand batches to the pipeline, several at once by setting
//	delivery.go    decide the fate of deliveries: acknowledge, hold (hold.go: for how long), give back
//	headers.go       decode the header table
//	firehose.go      decode a message of the trace exchange … tap.go … of a tapped exchange … filledqueue.go … or
//	                 of a queue that the operator fills (management.go: the names of clients)
//	event.go         into an event, as far as a span needs it
//	carrier.go       headers to span context (carrier_*.go: other formats; trust.go: whose are believed)
//	clock.go         stamp: from when to when, and who says so (pairing.go: publish to delivery)
//	spans.go       build spans of events (identity.go: with ids that never change)
//	telemetry.go   count it all, once for each batch
//
// Mode otlp takes another way from the epoch on, because its messages hold spans already:
//
//	wire_payload.go  let bodies pass, up to a limit
//	otlp_read.go   read one queue for each signal, and settle payload by payload
//	otlp_format.go   find out how a body is encoded
//	otlp.go          decode it and hand it to the signal's pipeline
//
// A goroutine started by Start, the run loop, owns all of it; nothing is shared but the two contexts that
// Shutdown cancels. Others are wire.go, which the AMQP client's reader calls, gauge.go, management.go, the
// timers that cut a broker off that does not answer and give back what a pipeline keeps for too long, and in
// mode otlp one goroutine for each signal while it is connected.
package amqptracereceiver
