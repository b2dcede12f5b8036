package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/otelcol-journey/otelcol-journey/bench/internal/machine"
	"github.com/otelcol-journey/otelcol-journey/bench/internal/report"
	"github.com/otelcol-journey/otelcol-journey/internal/stack"
)

const (
	outDir      = "out"
	resultsDir  = "results"
	startWithin = time.Minute
	stopWithin  = 10 * time.Second
)

// bench is one call of the command.
type bench struct {
	*settings
	broker *stack.Broker
	dir    string // for what children write
	self   string // this program, which is its own child
}

// results are what a kind of run has measured: raw lines, and a table of them.
type results struct {
	title string
	lines []any
	table func(*report.Printer)
}

// header is the first line of the raw results.
type header struct {
	Begun   time.Time `json:"begun"`
	Command string    `json:"command"`
	Commit  string    `json:"commit"`
	Machine string    `json:"machine"`
	Broker  string    `json:"broker"`
}

// measure starts a private broker, has a kind of run measure on it, and writes the results.
func measure(ctx context.Context, command string, s *settings, kind func(context.Context, *bench) (*results, error)) (err error) {
	b := &bench{settings: s}
	if b.self, err = os.Executable(); err != nil {
		return fmt.Errorf("find this program: %w", err)
	}
	if err := os.MkdirAll(outDir, 0o755); err != nil {
		return fmt.Errorf("make %s: %w", outDir, err)
	}
	if b.dir, err = os.MkdirTemp("", "amqp-bench"); err != nil {
		return fmt.Errorf("make a directory: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(b.dir)) }()
	starting, cancel := context.WithTimeout(ctx, startWithin)
	defer cancel()
	if b.broker, err = stack.StartBroker(starting, stack.BrokerSpec{Dir: filepath.Join(b.dir, "rabbitmq"), Log: os.Stderr}); err != nil {
		return err
	}
	defer func() {
		stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopWithin)
		defer cancel()
		err = errors.Join(err, b.broker.Stop(stopping))
	}()
	h := header{Begun: time.Now(), Command: command, Commit: machine.Commit(ctx), Machine: machine.Name(), Broker: b.version(ctx)}
	r, err := kind(ctx, b)
	if err != nil {
		return err
	}
	return b.write(&h, r)
}

func (b *bench) version(ctx context.Context) string {
	out, err := b.broker.Control(ctx, "version")
	if err != nil {
		return b.broker.Origin
	}
	return "RabbitMQ " + strings.TrimSpace(string(out))
}

// write writes the raw results, a line for each run after the header, and the table, and prints the table.
func (b *bench) write(h *header, r *results) error {
	dir, name := outDir, h.Begun.Format("2006-01-02T150405")
	if b.name != "" {
		dir, name = resultsDir, h.Begun.Format(time.DateOnly)+"-"+b.name
	}
	var text bytes.Buffer
	p := &report.Printer{W: &text}
	p.Line("Begun %s on %s, %s, commit %s.", h.Begun.UTC().Format(time.RFC3339), h.Machine, h.Broker, h.Commit)
	p.Line("\n`%s`\n\n%s\n", h.Command, r.title)
	r.table(p)
	if p.Err != nil {
		return fmt.Errorf("make the table: %w", p.Err)
	}
	var lines bytes.Buffer
	encoder := json.NewEncoder(&lines)
	for _, line := range slices.Concat([]any{h}, r.lines) {
		if err := encoder.Encode(line); err != nil {
			return fmt.Errorf("encode a run: %w", err)
		}
	}
	path := filepath.Join(dir, name)
	for suffix, content := range map[string][]byte{".jsonl": lines.Bytes(), ".md": text.Bytes()} {
		if err := os.WriteFile(path+suffix, content, 0o644); err != nil {
			return fmt.Errorf("write results: %w", err)
		}
	}
	fmt.Fprintf(os.Stdout, "\n%s\nwritten to bench/%s.md and .jsonl\n", text.String(), path)
	return nil
}

// child starts this program as a reader. What it says is in the file of the returned path.
func (b *bench) child(ctx context.Context, name string, args ...string) (*stack.Process, string, error) {
	output := filepath.Join(b.dir, name+".json")
	if err := os.RemoveAll(output); err != nil {
		return nil, "", fmt.Errorf("remove %s: %w", output, err)
	}
	p, err := stack.StartProcess(ctx, stack.ProcessSpec{
		Name: name, Path: b.self, Args: append([]string{readerCommand, "-url", b.broker.URL}, args...), LogFile: output,
	})
	return p, output, err
}

// readerResult is what a reader that has ended has said.
func readerResult(ctx context.Context, p *stack.Process, output string) (*used, error) {
	err := p.Wait(ctx)
	said, readErr := os.ReadFile(output)
	var failed *exec.ExitError
	if err != nil {
		if errors.As(err, &failed) {
			return nil, fmt.Errorf("reader: %w: %s", err, said)
		}
		return nil, fmt.Errorf("reader: %w", errors.Join(err, p.Kill()))
	}
	if readErr != nil {
		return nil, fmt.Errorf("read what the reader says: %w", readErr)
	}
	u := &used{}
	if err := json.Unmarshal(said, u); err != nil {
		return nil, fmt.Errorf("read what the reader says (%s): %w", said, err)
	}
	return u, nil
}
