// Package otlplog counts the log records in a file of OTLP JSON, one export
// request a line, as the collector's file exporter writes it.
package otlplog

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/otelcol-journey/otelcol-journey/cmd/volume/internal/volume"
)

type request struct {
	ResourceLogs []struct {
		Resource  json.RawMessage `json:"resource"`
		ScopeLogs []struct {
			Scope      json.RawMessage   `json:"scope"`
			LogRecords []json.RawMessage `json:"logRecords"`
		} `json:"scopeLogs"`
	} `json:"resourceLogs"`
}

// ReadFile counts the records of a file.
func ReadFile(path string) (*volume.Logs, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read logs: %w", err)
	}
	defer f.Close()
	byTrace, err := Read(f)
	if err != nil {
		return nil, fmt.Errorf("read logs %s: %w", path, err)
	}
	return &volume.Logs{File: path, ByTrace: byTrace}, nil
}

// Read counts records and bytes by trace id. A record's bytes are those of its
// JSON together with its resource's and its scope's, as if it stood alone. That
// is what a log backend stores and charges, entry by entry, and unlike the
// length of the file it does not depend on how records were batched: records
// kept one journey at a time repeat their resource more often.
func Read(r io.Reader) (map[string]volume.Volume, error) {
	byTrace := map[string]volume.Volume{}
	in := bufio.NewReader(r)
	for number := 1; ; number++ {
		line, readErr := in.ReadBytes('\n')
		if len(line) > 1 {
			if err := addLine(byTrace, line); err != nil {
				return nil, fmt.Errorf("line %d: %w", number, err)
			}
		}
		if errors.Is(readErr, io.EOF) {
			return byTrace, nil
		}
		if readErr != nil {
			return nil, readErr
		}
	}
}

func addLine(byTrace map[string]volume.Volume, line []byte) error {
	var req request
	if err := json.Unmarshal(line, &req); err != nil {
		return err
	}
	for _, resource := range req.ResourceLogs {
		for _, scope := range resource.ScopeLogs {
			for _, record := range scope.LogRecords {
				size := len(resource.Resource) + len(scope.Scope) + len(record)
				if err := addRecord(byTrace, record, int64(size)); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func addRecord(byTrace map[string]volume.Volume, record json.RawMessage, size int64) error {
	var id struct {
		TraceID string `json:"traceId"`
	}
	if err := json.Unmarshal(record, &id); err != nil {
		return err
	}
	v := byTrace[id.TraceID]
	byTrace[id.TraceID] = volume.Volume{Records: v.Records + 1, Bytes: v.Bytes + size}
	return nil
}
