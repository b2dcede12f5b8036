package compose

import (
	"fmt"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/types"
	units "github.com/docker/go-units"
)

// outsideBuffer is what the collector needs beside the processor's buffer:
// batches on their way in and out, and the garbage between two collections.
const outsideBuffer = 256 * units.MiB

func TestMemoryLimitLeavesRoomForTheBuffer(t *testing.T) {
	eachVariant(t, func(t *testing.T, _ variant, p *types.Project) {
		buffer := bufferMemory(t)
		collector := p.Services["collector"]
		soft := memory(t, settings(collector)["GOMEMLIMIT"])
		if soft < buffer+outsideBuffer {
			t.Errorf("GOMEMLIMIT %d is less than the buffer's %d and %d for the rest", soft, buffer, outsideBuffer)
		}
		if hard := int64(collector.MemLimit); hard < soft+soft/10 {
			t.Errorf("mem_limit %d is not a tenth above GOMEMLIMIT %d", hard, soft)
		}
	})
}

func bufferMemory(t *testing.T) int64 {
	t.Helper()
	var node any = resolved(t, "otelcol-config.yaml", nil)
	for _, key := range []string{"processors", "journey", "buffer", "memory"} {
		fields, ok := node.(map[string]any)
		if !ok {
			t.Fatalf("otelcol-config.yaml has no %s", key)
		}
		node = fields[key]
	}
	return memory(t, fmt.Sprint(node))
}

func memory(t *testing.T, text string) int64 {
	t.Helper()
	bytes, err := units.RAMInBytes(strings.TrimSpace(text))
	if err != nil {
		t.Fatalf("amount of memory %q: %v", text, err)
	}
	return bytes
}
