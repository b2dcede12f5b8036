// Package journeysextension shows every journey, kept or not: a page and a JSON
// API over what journey processors report.
//
// A figure's way through it:
//
//	extension.go  processors attach and report; a report waits in a queue
//	history.go    and is added to what is known, by the one goroutine that does
//	  window.go     of the last 5 minutes, hour and day
//	  book.go       and, of each journey, its trend and its latest traces
//	  inherit.go    over a reload it goes to the next extension
//	view.go       what is known of a window, for answers
//	  answer.go     about all journeys
//	  answer_journey.go  about one
//	live.go       what is so now: asked of the processors
//	  shadow.go     what other rules would have kept: asked of them as well
//	  status.go     and what the Collector says of its components
//	lookup.go     what was decided about a trace: asked of the processors
//	snapshot.go   answers are made at most once per interval, for everybody
//	server.go     who may ask, and with which headers they are answered
//
// What answers look like is in internal/api and openapi.yaml. The page is in
// page/; it is embedded.
//
// Ownership: a report belongs to the shard that makes it until Report has taken
// it, then to the extension. History is guarded by one mutex, which no
// processor ever waits for: a report that finds the queue full stays with its
// shard.
package journeysextension

//go:generate go tool -modfile=../../internal/tools/go.mod mdatagen metadata.yaml
