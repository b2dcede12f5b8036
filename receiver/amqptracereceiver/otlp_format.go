package amqptracereceiver

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"mime"
	"strings"

	amqp "github.com/rabbitmq/amqp091-go"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/ptrace"
)

// The encodings that need no extension.
const (
	encodingAuto  = "auto"
	encodingProto = "otlp_proto"
	encodingJSON  = "otlp_json"
)

// format reads one encoding. A signal that it cannot read is nil.
type format struct {
	name    string
	traces  ptrace.Unmarshaler
	logs    plog.Unmarshaler
	metrics pmetric.Unmarshaler
}

// formats chooses the format of a message.
type formats struct {
	encoding  string // as configured
	extension format
}

var (
	protoFormat = format{encodingProto, &ptrace.ProtoUnmarshaler{}, &plog.ProtoUnmarshaler{}, &pmetric.ProtoUnmarshaler{}}
	jsonFormat  = format{encodingJSON, &ptrace.JSONUnmarshaler{}, &plog.JSONUnmarshaler{}, &pmetric.JSONUnmarshaler{}}
)

// newFormat takes what the extension can do, which its interfaces tell.
func newFormat(name string, extension any) format {
	f := format{name: name}
	f.traces, _ = extension.(ptrace.Unmarshaler)
	f.logs, _ = extension.(plog.Unmarshaler)
	f.metrics, _ = extension.(pmetric.Unmarshaler)
	return f
}

// own says that the format is not an extension's, which may well make nothing of a body.
func (f format) own() bool { return f.name == encodingProto || f.name == encodingJSON }

func (f format) reads(signal string) bool {
	switch signal {
	case "traces":
		return f.traces != nil
	case "logs":
		return f.logs != nil
	}
	return f.metrics != nil
}

// of chooses. Publishers may say what they send; contrib's rabbitmq exporter does not, and its body
// then tells: no OTLP message in protobuf begins with a byte that JSON can begin with, but for a
// line feed, which only protobuf is taken to begin with.
func (all formats) of(contentType string, body []byte) format {
	switch all.encoding {
	case encodingProto:
		return protoFormat
	case encodingJSON:
		return jsonFormat
	case encodingAuto:
		return guess(contentType, body)
	}
	return all.extension
}

func guess(contentType string, body []byte) format {
	if media, _, err := mime.ParseMediaType(contentType); err == nil {
		switch media {
		case "application/x-protobuf", "application/protobuf", "application/vnd.google.protobuf":
			return protoFormat
		case "application/json":
			return jsonFormat
		}
	}
	if len(body) > 0 && strings.IndexByte("{ \t\r", body[0]) >= 0 {
		return jsonFormat
	}
	return protoFormat
}

var (
	errTooLarge          = errors.New("body is larger than max_body_bytes")
	errContentEncoding   = errors.New("content encoding is none, identity or gzip")
	errMalformedPayload  = errors.New("body is not what its encoding says")
	errEmptyPayload      = errors.New("body holds nothing of its queue's signal")
	errPermanentlyDenied = errors.New("pipeline refused the payload for good")
)

// body is the message's body without its compression, of at most so many bytes.
func body(d *amqp.Delivery, maxBytes int64) ([]byte, error) {
	if isTooLarge(d.Body) {
		return nil, errTooLarge
	}
	switch strings.ToLower(d.ContentEncoding) {
	case "", "identity", "utf-8", "utf8": // some clients put the character set here
		return d.Body, nil
	case "gzip":
		return gunzip(d.Body, maxBytes)
	}
	return nil, errContentEncoding
}

func gunzip(compressed []byte, maxBytes int64) ([]byte, error) {
	r, err := gzip.NewReader(bytes.NewReader(compressed))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errMalformedPayload, err)
	}
	plain, err := io.ReadAll(io.LimitReader(r, maxBytes+1))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errMalformedPayload, err)
	}
	if int64(len(plain)) > maxBytes {
		return nil, errTooLarge
	}
	return plain, nil
}

// rejectCause is the error as a metric's label.
func rejectCause(err error) string {
	switch {
	case errors.Is(err, errTooLarge):
		return "too_large"
	case errors.Is(err, errContentEncoding):
		return "content_encoding"
	case errors.Is(err, errMalformedPayload):
		return "malformed"
	case errors.Is(err, errEmptyPayload):
		return "empty"
	}
	return "refused"
}
