package truth

import (
	"strings"
	"testing"
)

const head = `{"truth":1,"seed":7,"rate_per_second":10,"started":"2026-11-21T10:00:00Z"}` + "\n"

func TestReadsHeaderAndEntries(t *testing.T) {
	got, err := Read(strings.NewReader(head +
		`{"trace_id":"0af7651916cd43dd8448eb211c80319c","journey":"checkout","class":"failed","outcome":"error","must_keep":true,"at":"2026-11-21T10:00:01.5Z","spans":0}` + "\n"))
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Entries) != 1 || got.Entries[0].Class != "failed" || !got.Entries[0].MustKeep {
		t.Errorf("got %+v", got.Entries)
	}
	if offset := got.Entries[0].At.Sub(got.Started); offset.Milliseconds() != 1500 {
		t.Errorf("the entry is %s after the start, want 1.5s", offset)
	}
}

func TestRejectsWhatItCannotCheck(t *testing.T) {
	for name, tt := range map[string]struct{ text, want string }{
		"empty":      {"", "no header"},
		"no header":  {`{"trace_id":"x"}` + "\n", "line 1"},
		"cut line":   {head + `{"trace_id":"0af7`, "line 2"},
		"no trace":   {head + `{"journey":"checkout"}`, "trace_id"},
		"no journey": {head + `{"trace_id":"x"}`, "journey"},
	} {
		if _, err := Read(strings.NewReader(tt.text)); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want %q in it", name, err, tt.want)
		}
	}
}
