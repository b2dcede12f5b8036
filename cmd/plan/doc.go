// Command plan replays recorded telemetry through one or two configurations of
// the journey processor and prints what each would keep: by journey and rule,
// in spans, bytes and money, with the journeys that should not be lost, and
// what differs between the two. See docs/plan.md.
//
//	main.go                 the command line and the exit codes
//	internal/plan           config.go, run.go, side.go, ledger.go, sum.go, limits.go
//	internal/report         the result for people and for programs
//	../../internal/recording  the files of the file exporter
//
// It is the processor itself that decides: journeyprocessor.Replay.
package main
