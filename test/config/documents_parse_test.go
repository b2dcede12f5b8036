package config

import (
	"strings"
	"testing"
)

func TestFencesKeepLineAndIndentation(t *testing.T) {
	text := "# Title\n\n- first:\n\n  ```yaml\n  a:\n    b: 1\n  ```\n\n```sh\nmake\n```\n\n```yaml\nc: 2\n```\n"
	blocks := fences("x.md", text)
	if len(blocks) != 2 {
		t.Fatalf("found %d blocks: %v", len(blocks), blocks)
	}
	if blocks[0].text != "a:\n  b: 1\n" || blocks[0].line != 6 {
		t.Errorf("first block is %+v", blocks[0])
	}
	if blocks[1].text != "c: 2\n" || blocks[1].line != 15 {
		t.Errorf("second block is %+v", blocks[1])
	}
}

func TestPartsAreCompleted(t *testing.T) {
	tests := map[string]struct {
		text string
		want []string // parts of the completed text
		err  string
	}{
		"whole":            {text: "receivers: {otlp: }\nexporters: {debug: }\nservice: {}\n", want: []string{"otlp"}},
		"pipelines only":   {text: "service: {pipelines: {traces: {receivers: [amqp_trace], exporters: [otlp_grpc]}}}\n", want: []string{"firehose", "insecure"}},
		"one section":      {text: "processors: {journey: {}}\n", want: []string{"debug", "pipelines"}},
		"one component":    {text: "journey: {logs: {}}\n", want: []string{"processors:", "pipelines"}},
		"a named one":      {text: "amqp_trace/eu: {}\n", want: []string{"receivers:", "amqp_trace/eu"}},
		"a peer":           {text: "tail_sampling: {policies: []}\n", want: []string{"processors:", "pipelines"}},
		"one setting":      {text: "sampling: {rules: []}\n", want: []string{"processors:", "journey:"}},
		"a compose file":   {text: "services: {x: {}}\n", want: []string{notCollector}},
		"nobody's setting": {text: "colour: red\n", err: "colour"},
		"not YAML":         {text: "a: [\n", err: "YAML"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := complete(test.text)
			if test.err != "" {
				if err == nil || !strings.Contains(err.Error(), test.err) {
					t.Errorf("error is %v, want one with %q", err, test.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			for _, want := range test.want {
				if !strings.Contains(got, want) {
					t.Errorf("%q is missing in\n%s", want, got)
				}
			}
		})
	}
}
