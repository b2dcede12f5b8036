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
		ScopeLogs []struct {
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

// Read counts records and bytes by trace id. The bytes of a line, resource and
// scope included, are shared out to its records by their own length, so that
// the sum over all traces is the length of the file without its line ends.
func Read(r io.Reader) (map[string]volume.Volume, error) {
	byTrace := map[string]volume.Volume{}
	in := bufio.NewReader(r)
	for number := 1; ; number++ {
		line, err := in.ReadBytes('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, err
		}
		if len(line) > 1 {
			if err := addLine(byTrace, line); err != nil {
				return nil, fmt.Errorf("line %d: %w", number, err)
			}
		}
		if err != nil {
			return byTrace, nil
		}
	}
}

func addLine(byTrace map[string]volume.Volume, line []byte) error {
	var req request
	if err := json.Unmarshal(line, &req); err != nil {
		return err
	}
	records, recordBytes := flatten(req)
	left, leftRecordBytes := int64(len(line)), recordBytes
	if line[len(line)-1] == '\n' {
		left--
	}
	for _, record := range records {
		var id struct {
			TraceID string `json:"traceId"`
		}
		if err := json.Unmarshal(record, &id); err != nil {
			return err
		}
		// Of what is left to share out, so that roundings cancel and the last takes the rest.
		share := left * int64(len(record)) / leftRecordBytes
		left -= share
		leftRecordBytes -= int64(len(record))
		v := byTrace[id.TraceID]
		byTrace[id.TraceID] = volume.Volume{Records: v.Records + 1, Bytes: v.Bytes + share}
	}
	return nil
}

func flatten(req request) (records []json.RawMessage, bytes int64) {
	for _, resource := range req.ResourceLogs {
		for _, scope := range resource.ScopeLogs {
			for _, record := range scope.LogRecords {
				records = append(records, record)
				bytes += int64(len(record))
			}
		}
	}
	return records, bytes
}
