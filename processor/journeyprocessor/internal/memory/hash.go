package memory

import (
	"crypto/rand"
	"encoding/binary"
	"math/bits"

	"go.opentelemetry.io/collector/pdata/pcommon"
)

// Seed makes a memory's hash its own.
type Seed [2]uint64

// NewSeed makes a seed that nobody can guess.
func NewSeed() Seed {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails: it ends the program instead
	return Seed{binary.LittleEndian.Uint64(b[:8]), binary.LittleEndian.Uint64(b[8:])}
}

// hash mixes all of a trace id with the seed. Some tracers fill one half of
// their ids with a constant or with the time, so both halves count in every
// bit: two folded multiplications, as wyhash has them for 16 bytes. The
// constants are wyhash's.
func (s Seed) hash(id pcommon.TraceID) uint64 {
	a, b := binary.LittleEndian.Uint64(id[:8]), binary.LittleEndian.Uint64(id[8:])
	h := fold(a^s[0]^0xa0761d6478bd642f, b^s[1]^0xe7037ed1a0b428db)
	return fold(h^s[0]^0x8ebc6af09c88c6e3, s[1]^0x589965cc75374cc3)
}

func fold(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a, b)
	return hi ^ lo
}
