// Package recording reads telemetry that a collector's file exporter wrote, in
// the order and, as well as can be known, at the times at which it came.
//
//	frames.go  a file becomes messages: JSON lines or length-prefixed, compressed or not
//	decode.go  a message becomes spans or log records
//	clock.go   when a batch came
//	stream.go  one file after another in a goroutine of its own
//	merge.go   all files, by time
//
// No more than a few batches of a file are in memory, and of rotated files only
// those that overlap are open.
package recording
