package load

import (
	"encoding/binary"
	"fmt"

	"go.opentelemetry.io/collector/pdata/pcommon"

	"github.com/otelcol-journey/otelcol-journey/bench/internal/raw"
)

// Key is what a trace's ids of all laps have in common: its id as generated
// without the first four bytes, which hold the lap.
type Key [12]byte

// lapBytes is how many bytes of a trace id hold the lap.
const lapBytes = 4

// Laps writes the requests of a load for one lap after the other. A lap's
// traces have ids of their own, as random as the generated ones; span ids, and
// with them a trace's Mark, stay.
type Laps struct {
	load    *Load
	traceID [][]int32 // by request: where its spans' trace ids are
}

// NewLaps finds all trace ids of a load.
func NewLaps(l *Load) (*Laps, error) {
	laps := &Laps{load: l, traceID: make([][]int32, len(l.Requests))}
	for i := range l.Requests {
		r := &l.Requests[i]
		places := make([]int32, 0, r.Spans)
		err := raw.EachSpan(r.Bytes, func(body []byte) error {
			at, err := raw.TraceIDAt(body)
			places = append(places, int32(cap(r.Bytes)-cap(body)+at))
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("find the trace ids of request %d: %w", i, err)
		}
		laps.traceID[i] = places
	}
	return laps, nil
}

// Append appends a request to b as a lap sends it.
func (l *Laps) Append(b []byte, request, lap int) []byte {
	begin := len(b)
	b = append(b, l.load.Requests[request].Bytes...)
	for _, at := range l.traceID[request] {
		enter(b[begin+int(at):][:len(pcommon.TraceID{})], lap)
	}
	return b
}

// IDInLap is the id that a generated trace has in a lap.
func IDInLap(id pcommon.TraceID, lap int) pcommon.TraceID {
	enter(id[:], lap)
	return id
}

func enter(id []byte, lap int) {
	binary.BigEndian.PutUint32(id, uint32(lap))
	mix(id[8:], uint32(lap))
}

// KeyOf is the key of a generated trace.
func KeyOf(id pcommon.TraceID) Key { return Key(id[lapBytes:]) }

// Lap reads an id that Append has written.
func Lap(id pcommon.TraceID) (lap int, key Key) {
	n := binary.BigEndian.Uint32(id[:lapBytes])
	mix(id[8:], n)
	return int(n), KeyOf(id)
}

// mix changes the half of an id that samplers take their random number from,
// so that they draw other traces in each lap; twice is back. It is the
// finalizer of splitmix64.
func mix(half []byte, lap uint32) {
	z := uint64(lap) * 0x9e3779b97f4a7c15
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	binary.BigEndian.PutUint64(half, binary.BigEndian.Uint64(half)^z^z>>31)
}
