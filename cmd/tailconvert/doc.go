// Command tailconvert reads the configuration of contrib's tail_sampling
// processor and prints the one of the journey processor that replaces it, with
// comments where the meaning differs or something has no equivalent.
//
// It is named for what it reads, because that is what somebody who looks for it
// has: a tail_sampling block. What each policy and option becomes is in
// docs/migrating-from-tail-sampling.md.
package main
