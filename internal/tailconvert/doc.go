// Package tailconvert turns the configuration of contrib's tail_sampling
// processor (v0.158.0) into one of the journey processor.
//
//	convert.go    finds the processors in a configuration and prints theirs
//	mapping.go    reads YAML strictly: each key is known and read, or a fault
//	policy.go     a policy and what it wraps become terms
//	  simple.go     policies about time, status, counts, chance and rate
//	  attribute.go  policies about attributes, in plain fields or OTTL
//	  composite.go  the policy that divides a rate
//	when.go       conditions and how they join
//	draw.go       chance: which share several policies let through together
//	rules.go      terms become rules of which the first is final
//	budget.go     limiters become one budget
//	options.go    the processor's own options
//	pipelines.go  where the new processors stand
//	yaml.go       nodes, comments and the width of lines
//
// tail_sampling asks all policies, and one that samples is enough unless one
// drops. Here the first rule that matches is final. So that the same traces
// are kept, what drops comes first, then what is kept whole, then shares from
// the largest to the smallest: policies draw from one hash of the trace id, so
// the larger share holds the smaller one.
//
// Whatever cannot mean the same says so in a comment of the output. Nothing of
// the input is passed over in silence.
package tailconvert
