package otlplog

import (
	"strings"
	"testing"
)

const (
	first  = `{"resourceLogs":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"gateway"}}]},"scopeLogs":[{"scope":{},"logRecords":[{"body":{"stringValue":"short"},"traceId":"aa"},{"body":{"stringValue":"a much longer line than the other one"},"traceId":"bb"}]},{"logRecords":[{"body":{"stringValue":"no trace"}}]}]}]}`
	second = `{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"traceId":"aa"}]}]}]}`
)

func TestBytesOfAllTracesAreTheFilesLength(t *testing.T) {
	for name, text := range map[string]string{
		"ended lines": first + "\n" + second + "\n",
		"cut end":     first + "\n" + second,
		"empty lines": first + "\n\n" + second + "\n",
	} {
		got, err := Read(strings.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		var bytes, records int64
		for _, v := range got {
			bytes += v.Bytes
			records += v.Records
		}
		if want := int64(len(first) + len(second)); bytes != want || records != 4 {
			t.Errorf("%s: %d records, %d bytes; want 4, %d", name, records, bytes, want)
		}
		if got["aa"].Records != 2 || got["bb"].Records != 1 || got[""].Records != 1 {
			t.Errorf("%s: by trace: %v", name, got)
		}
	}
}

func TestALongerRecordTakesMore(t *testing.T) {
	got, err := Read(strings.NewReader(first))
	if err != nil {
		t.Fatal(err)
	}
	if got["bb"].Bytes <= got["aa"].Bytes {
		t.Errorf("got %v", got)
	}
}

func TestABrokenLineIsNamed(t *testing.T) {
	if _, err := Read(strings.NewReader(first + "\n{\"resourceLogs\":[")); err == nil || !strings.Contains(err.Error(), "line 2") {
		t.Errorf("got %v", err)
	}
}
