package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"

	"go.opentelemetry.io/collector/confmap"
	"go.yaml.in/yaml/v3"

	"github.com/otelcol-journey/otelcol-journey/internal/tailconvert"
	"github.com/otelcol-journey/otelcol-journey/processor/journeyprocessor"
)

// Exit codes, as the usage lists them.
const (
	exitOK      = 0
	exitInput   = 1 // the input cannot be read or converted
	exitUsage   = 2
	exitMissing = 3 // printed, but something has no equivalent
)

const usage = `tailconvert prints the journey processor's configuration that replaces a tail_sampling processor's.

  tailconvert [-o FILE] [FILE]

FILE (or standard input, also as "-") is a collector's configuration, a part of one that begins with
"tail_sampling:", or the settings of one processor. Of a whole configuration the output is one to lay over it:

  tailconvert -o journey.yaml config.yaml
  otelcol-journey --config config.yaml --config journey.yaml

Comments in the output say where the meaning differs. Example:

  $ tailconvert <<END
  tail_sampling:
    decision_wait: 30s
    policies:
      - {name: errors, type: status_code, status_code: {status_codes: [ERROR]}}
      - {name: some, type: probabilistic, probabilistic: {sampling_percentage: 5}}
  END

exit code   meaning
  0         converted
  1         the input cannot be read or converted; each fault is printed with its line
  2         the command line is wrong
  3         converted, but something has no equivalent: look for NO EQUIVALENT in the output

flags:
`

func main() { os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) }

// run is the whole program; it returns the exit code.
func run(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("tailconvert", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Usage = func() {
		fmt.Fprint(stderr, usage)
		flags.PrintDefaults()
	}
	output := flags.String("o", "", "file to write to instead of standard output")
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return exitOK
	case err != nil:
		return exitUsage
	case flags.NArg() > 1:
		fmt.Fprintf(stderr, "tailconvert: unexpected argument %q\n", flags.Arg(1))
		return exitUsage
	}
	result, err := convert(flags.Arg(0), stdin)
	if err == nil {
		err = write(*output, result.YAML, stdout)
	}
	switch {
	case err != nil:
		fmt.Fprintln(stderr, "tailconvert:", err)
		return exitInput
	case result.Missing:
		fmt.Fprintln(stderr, "tailconvert: something has no equivalent; look for NO EQUIVALENT in the output")
		return exitMissing
	}
	return exitOK
}

func convert(path string, stdin io.Reader) (tailconvert.Result, error) {
	text, err := read(path, stdin)
	if err != nil {
		return tailconvert.Result{}, err
	}
	result, err := tailconvert.Convert(text)
	if err != nil {
		return result, err
	}
	return result, check(result.YAML)
}

func read(path string, stdin io.Reader) ([]byte, error) {
	if path == "" || path == "-" {
		text, err := io.ReadAll(stdin)
		if err != nil {
			return nil, fmt.Errorf("read standard input: %w", err)
		}
		return text, nil
	}
	return os.ReadFile(path)
}

func write(path string, text []byte, stdout io.Writer) error {
	if path == "" {
		_, err := stdout.Write(text)
		return err
	}
	return os.WriteFile(path, text, 0o644)
}

// check loads what is to be printed as the processor does, so that nobody gets
// a configuration that it refuses. Conditions in OTTL come from the input.
func check(text []byte) error {
	var printed map[string]any
	if err := yaml.NewDecoder(bytes.NewReader(text)).Decode(&printed); err != nil {
		return fmt.Errorf("read what was made: %w", err)
	}
	if processors, ok := printed["processors"].(map[string]any); ok {
		printed = processors
	}
	var errs []error
	for id, settings := range printed {
		own, _ := settings.(map[string]any)
		config := journeyprocessor.NewFactory().CreateDefaultConfig()
		err := confmap.NewFromStringMap(own).Unmarshal(config)
		if err == nil {
			err = confmap.Validate(config)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("the processor refuses the converted %s: %w", id, err))
		}
	}
	return errors.Join(errs...)
}
