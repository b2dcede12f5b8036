package amqptracereceiver

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.uber.org/zap"

	"github.com/otelcol-journey/otelcol-journey/receiver/amqptracereceiver/internal/metadata"
)

// management asks the broker's HTTP API for what AMQP does not tell: what clients call themselves, and
// to switch tracing on. One goroutine asks, so the broker is never asked for two things at once, and
// nobody waits for an answer: until it is there, spans have no client name.
type management struct {
	cfg       ManagementConfig
	vhost     string
	logger    *zap.Logger
	telemetry *metadata.TelemetryBuilder
	client    *http.Client

	mu    sync.Mutex
	names *generations[string, askedName] // guarded by mu
	// wanted holds connections to ask for. When it is full, a connection is asked for at its next message.
	wanted  chan string
	connect chan struct{} // holds one

	failing map[string]bool // by action, so that a failure is logged once; the goroutine's
}

// askedName is the answer for one connection; if there is none yet, it is not asked for before askAgain.
type askedName struct {
	clientName
	known    bool
	askAgain time.Time
}

// How long until the API is asked again for a connection: it tells of a new one with some delay, and
// it may not be there at all.
const (
	unknownPause = 10 * time.Second
	failurePause = 30 * time.Second
)

// What the API is asked for, as a metric's label.
const (
	actionNames   = "connection_names"
	actionTracing = "enable_tracing"
)

// maxAnswerBytes bounds what is read of an answer.
const maxAnswerBytes = 1 << 20

var errUnknown = errors.New("not known there")

func newManagement(cfg ManagementConfig, vhost string, logger *zap.Logger, telemetry *metadata.TelemetryBuilder) *management {
	return &management{
		cfg:       cfg,
		vhost:     vhost,
		logger:    logger,
		telemetry: telemetry,
		names:     newGenerations[string, askedName](cfg.MaxConnectionNames, cfg.ConnectionNamesTTL),
		wanted:    make(chan string, 1000),
		connect:   make(chan struct{}, 1),
		failing:   map[string]bool{},
	}
}

// start begins to ask, until stopping ends.
func (m *management) start(stopping context.Context, wg *sync.WaitGroup) error {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	if set := m.cfg.TLS.Get(); set != nil {
		settings, err := set.LoadTLSConfig(stopping)
		if err != nil {
			return fmt.Errorf("firehose::management: %w: %w", errTLSConfig, err)
		}
		transport.TLSClientConfig = settings
	}
	for _, e := range m.cfg.Endpoints {
		if u, err := url.Parse(e); err == nil && u.Scheme == "http" && !(endpoint{host: u.Hostname()}).loopback() {
			m.logger.Warn("the management password crosses the network unencrypted: use https", zap.String("endpoint", e))
		}
	}
	m.client = &http.Client{Transport: transport, Timeout: m.cfg.Timeout}
	wg.Go(func() {
		defer transport.CloseIdleConnections()
		m.run(stopping)
	})
	return nil
}

func (m *management) run(stopping context.Context) {
	for {
		select {
		case <-stopping.Done():
			return
		case <-m.connect:
			m.enableTracing(stopping)
		case connection := <-m.wanted:
			m.askName(stopping, connection)
		}
	}
}

// connected is called after each connect: a broker that was restarted has forgotten the flag.
func (m *management) connected() {
	if !m.cfg.EnableTracing {
		return
	}
	select {
	case m.connect <- struct{}{}:
	default: // is to be done already
	}
}

func (m *management) of(connection string) clientName {
	if connection == "" {
		return clientName{}
	}
	now := time.Now()
	m.mu.Lock()
	defer m.mu.Unlock()
	asked, found := m.names.get(connection, now)
	if found && (asked.known || now.Before(asked.askAgain)) {
		return asked.clientName
	}
	select {
	case m.wanted <- connection:
		m.names.put(connection, askedName{askAgain: now.Add(failurePause)}, now)
	default:
	}
	return clientName{}
}

func (m *management) askName(ctx context.Context, connection string) {
	answer := askedName{known: true}
	var found struct {
		Name       string `json:"user_provided_name"`
		Properties struct {
			Product string `json:"product"`
		} `json:"client_properties"`
	}
	err := m.askAny(ctx, "/api/connections/"+url.PathEscape(connection)+"?columns=user_provided_name,client_properties.product", &found)
	switch {
	case errors.Is(err, errUnknown):
		answer = askedName{askAgain: time.Now().Add(unknownPause)}
		m.report(actionNames, nil)
	case ctx.Err() != nil:
		return
	default:
		m.report(actionNames, err)
		if err != nil {
			answer = askedName{askAgain: time.Now().Add(failurePause)}
			break
		}
		answer.clientName = clientName{name: found.Name, product: found.Properties.Product}
	}
	now := time.Now()
	m.mu.Lock()
	defer m.mu.Unlock()
	m.names.put(connection, answer, now)
	m.telemetry.ReceiverAmqpTraceConnectionNames.Record(ctx, int64(m.names.len()))
}

// askAny asks one node after the other until one answers.
func (m *management) askAny(ctx context.Context, path string, answer any) error {
	var errs []error
	for _, endpoint := range m.cfg.Endpoints {
		err := m.request(ctx, http.MethodGet, endpoint, path, nil, answer)
		if err == nil || errors.Is(err, errUnknown) {
			return err
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// enableTracing switches the firehose of the vhost on, on each node where it is off.
func (m *management) enableTracing(ctx context.Context) {
	var errs []error
	for _, endpoint := range m.cfg.Endpoints {
		if err := m.enableTracingOn(ctx, endpoint); err != nil {
			errs = append(errs, err)
		}
	}
	if ctx.Err() == nil {
		m.report(actionTracing, errors.Join(errs...))
	}
}

func (m *management) enableTracingOn(ctx context.Context, endpoint string) error {
	path := "/api/vhosts/" + url.PathEscape(m.vhost)
	var vhost struct {
		Tracing bool `json:"tracing"`
		// What is not said again is set back by some versions.
		Description string   `json:"description"`
		Tags        []string `json:"tags"`
	}
	if err := m.request(ctx, http.MethodGet, endpoint, path, nil, &vhost); err != nil {
		return err
	}
	if vhost.Tracing {
		return nil
	}
	change := map[string]any{"tracing": true}
	if vhost.Description != "" {
		change["description"] = vhost.Description
	}
	if len(vhost.Tags) > 0 {
		change["tags"] = strings.Join(vhost.Tags, ",")
	}
	if err := m.request(ctx, http.MethodPut, endpoint, path, change, nil); err != nil {
		return err
	}
	m.logger.Info("switched tracing on", zap.String("vhost", m.vhost), zap.String("endpoint", endpoint))
	return nil
}

// request does one request, and decodes the answer if one is wanted.
func (m *management) request(ctx context.Context, method, endpoint, path string, body, answer any) error {
	var sent io.Reader
	if body != nil {
		encoded, err := json.Marshal(body)
		if err != nil {
			return fmt.Errorf("encode %s %s: %w", method, path, err)
		}
		sent = bytes.NewReader(encoded)
	}
	request, err := http.NewRequestWithContext(ctx, method, strings.TrimSuffix(endpoint, "/")+path, sent)
	if err != nil {
		return fmt.Errorf("ask %s: %w", endpoint, err)
	}
	request.SetBasicAuth(m.cfg.Username, string(m.cfg.Password))
	request.Header.Set("Content-Type", "application/json")
	response, err := m.client.Do(request)
	if err != nil {
		return fmt.Errorf("ask %s: %w", endpoint, err)
	}
	defer func() {
		_, _ = io.CopyN(io.Discard, response.Body, maxAnswerBytes) // lets the connection be used again
		_ = response.Body.Close()
	}()
	switch {
	case response.StatusCode == http.StatusNotFound:
		return fmt.Errorf("ask %s for %s: %w", endpoint, path, errUnknown)
	case response.StatusCode/100 != 2:
		return fmt.Errorf("ask %s for %s: answer %s", endpoint, path, response.Status)
	case answer == nil:
		return nil
	}
	if err := json.NewDecoder(io.LimitReader(response.Body, maxAnswerBytes)).Decode(answer); err != nil {
		return fmt.Errorf("read answer of %s for %s: %w", endpoint, path, err)
	}
	return nil
}

// report counts each failure, and logs the first of a series.
func (m *management) report(action string, err error) {
	if err == nil {
		m.failing[action] = false
		return
	}
	m.telemetry.ReceiverAmqpTraceManagementFailures.Add(context.Background(), 1,
		metric.WithAttributes(attribute.String("action", action)))
	if !m.failing[action] {
		m.failing[action] = true
		m.logger.Warn("the management API does not do what is asked; everything else goes on",
			zap.String("action", action), zap.Error(err))
	}
}
