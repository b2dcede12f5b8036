// Package journeyprocessor tail-samples user journeys.
//
// A span's way through it, one file a step:
//
//	factory.go    one engine for the traces and the logs pipeline of an id
//	engine.go     what runs, and how it starts and stops
//	ingest.go     ConsumeTraces: a batch becomes one part per trace
//	  fragment.go   facts from the decoded spans, bytes from the encoded ones
//	  bundle.go     records compressed, many traces' together
//	  headers.go    resources and scopes, held once however many spans share them
//	  buffer.go     the one account of memory, the levels of overload, and the answer to "full"
//	  client.go     what senders said beside their spans
//	logs.go       ConsumeLogs: the same for log records
//	assemble.go   a shard adds parts to their traces and knows their deadlines
//	  holdings.go   what a trace holds, and giving it back
//	  park.go       what waits longer than most of what it came with
//	  relieve.go    what is done when memory is short
//	decide.go     a shard decides, remembers the decision, and parts with the spans
//	  thin.go       and keeps less than its rule, for want of memory or budget
//	  recall.go     what was dropped last, and comes back with a late error
//	release.go    kept spans leave, and are retried until accepted
//	  batch.go      what fits into a batch, and how one is divided
//	  suspects.go   single records that go on being refused
//	  losses.go     what is said of those that are lost
//	  tag.go        what is written on them
//	ledger.go     what can be asked about the latest decisions
//	standing.go   and about what waits, or is remembered in a few bytes
//	shadow.go     what other rules would have kept
//	telemetry.go  what is counted on the way
//	  counts.go     the decisions, by journey, before anything is dropped
//	  telemetry_rules.go  conditions that fail, and what was learned
//
// With a reporter, an extension that shows all journeys:
//
//	report.go        what a shard has decided, counted, and handed over each second
//	  report_map.go    who called whom
//	  report_state.go  what it says when it is asked how it is
//
// Over a reload or a stop:
//
//	bequeath.go   what waits is encoded for the next engine of this id
//	  handover.go   in chunks
//	  saved.go      kept in the process, or in a storage extension
//	inherit.go    and taken over by it
//
// What a user writes is in config.go, config_match.go, config_rules.go,
// config_budget.go, config_shadow.go and units.go; compile.go turns it into what decides, with
// ottl.go and ottl_plain.go for conditions in OTTL, and warnings.go says which
// rules are probably in a wrong order.
//
// Over a recording, in the recording's own time: replay.go.
//
// Under internal/ lies what needs neither clock nor pipeline: facts (the
// summary of a trace), match (conditions on spans), policy (name, outcome,
// deadline and decision), budget (by how much rules are thinned), weight
// (thresholds and randomness), deadline (who is due), memory (what was decided),
// arena (bytes outside of the heap), wire (OTLP bytes).
//
// Ownership: a batch is only read, so it stays the caller's. A part belongs to
// the goroutine that has it: the caller's, then the shard's, then a release
// goroutine's. A shard's traces, deadlines and memory of decisions have one
// owner, the shard's goroutine, and need no lock. Accounts are atomics.
package journeyprocessor

//go:generate go tool -modfile=../../internal/tools/go.mod mdatagen metadata.yaml
