package otlplog

import (
	"maps"
	"strings"
	"testing"

	"github.com/otelcol-journey/otelcol-journey/cmd/volume/internal/volume"
)

const (
	resource = `{"attributes":[{"key":"service.name","value":{"stringValue":"gateway"}}]}`
	scope    = `{"name":"shop"}`
	recordA  = `{"body":{"stringValue":"short"},"traceId":"aa"}`
	recordB  = `{"body":{"stringValue":"a longer line"},"traceId":"bb"}`
	untraced = `{"body":{"stringValue":"started"},"traceId":""}`
)

// line is one export request with the records given.
func line(records ...string) string {
	return `{"resourceLogs":[{"resource":` + resource + `,"scopeLogs":[{"scope":` + scope +
		`,"logRecords":[` + strings.Join(records, ",") + `]}]}]}`
}

func TestBytesDoNotDependOnBatching(t *testing.T) {
	around := int64(len(resource) + len(scope))
	want := map[string]volume.Volume{
		"aa": {Records: 1, Bytes: around + int64(len(recordA))},
		"bb": {Records: 1, Bytes: around + int64(len(recordB))},
		"":   {Records: 1, Bytes: around + int64(len(untraced))},
	}
	for name, text := range map[string]string{
		"one request":    line(recordA, recordB, untraced) + "\n",
		"three requests": line(recordA) + "\n" + line(recordB) + "\n" + line(untraced) + "\n",
		"no last end":    line(recordA, recordB) + "\n" + line(untraced),
		"empty lines":    "\n" + line(recordA, recordB) + "\n\n" + line(untraced) + "\n",
	} {
		got, err := Read(strings.NewReader(text))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if !maps.Equal(got, want) {
			t.Errorf("%s: got %v, want %v", name, got, want)
		}
	}
}

func TestABrokenLineIsNamed(t *testing.T) {
	text := line(recordA) + "\n{\"resourceLogs\":["
	if _, err := Read(strings.NewReader(text)); err == nil || !strings.Contains(err.Error(), "line 2") {
		t.Errorf("got %v, want line 2 to be named", err)
	}
}
