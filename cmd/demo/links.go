package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// example is one journey of the truth to look at.
type example struct {
	TraceID  string `json:"trace_id"`
	Journey  string `json:"journey"`
	Class    string `json:"class"`
	MustKeep bool   `json:"must_keep"`
}

// examples are the first must-keep journey of each class in a truth file, which
// may still be written to.
func examples(path string) ([]example, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	seen := map[string]bool{}
	var found []example
	for lines := bufio.NewScanner(f); lines.Scan(); {
		var e example
		if json.Unmarshal(lines.Bytes(), &e) != nil || !e.MustKeep || seen[e.title()] {
			continue
		}
		seen[e.title()] = true
		found = append(found, e)
	}
	return found, nil
}

func (e example) title() string {
	if e.Class == "ok" {
		return e.Journey
	}
	return e.Class + " " + e.Journey
}

// printLinks prints one trace of each class that is kept.
func printLinks(ctx context.Context, t *terminal, s *settings, dir string) {
	found, err := examples(filepath.Join(dir, truthFile))
	if err != nil {
		t.line("no links: %v", err)
		return
	}
	base, note := s.url("DEMO_JAEGER_PORT"), ""
	path := "/trace/%s"
	if !hasPage(ctx, base) {
		path = "/api/traces/%s?prettyPrint=true"
		note = " (JSON: a Jaeger built from its Go module has no page; the one of docker-compose.yaml does)"
	}
	t.line("\nOne trace of each kind in the Jaeger of what is kept%s:", note)
	for _, e := range found {
		t.line("  %-24s %s", e.title(), base+fmt.Sprintf(path, e.TraceID))
	}
	printWaterfall(ctx, t, base, found)
}

// shown is the example that is also drawn: it goes through every part, and
// through RabbitMQ three times.
const shown = "retried checkout"

func printWaterfall(ctx context.Context, t *terminal, base string, found []example) {
	for _, e := range found {
		if e.title() != shown {
			continue
		}
		trace, err := fetchTrace(ctx, base, e.TraceID)
		if err != nil {
			t.line("\nThe %s cannot be shown: %v", shown, err)
			return
		}
		t.line("\nThe %s (mailer is not instrumented: the broker shows its hop):", shown)
		for _, line := range trace.waterfall() {
			t.line("  %s", line)
		}
	}
}

// hasPage tells Jaeger's page from the placeholder of a build without it.
func hasPage(ctx context.Context, base string) bool {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/", nil)
	if err != nil {
		return false
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := client.Do(req)
	if err != nil {
		return false
	}
	defer res.Body.Close()
	page, err := io.ReadAll(io.LimitReader(res.Body, 1<<16))
	return err == nil && res.StatusCode == http.StatusOK && !strings.Contains(string(page), "not the Jaeger UI")
}
