// Package jaeger reads all traces of a time window from a Jaeger's query API.
package jaeger

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/otelcol-journey/otelcol-journey/cmd/volume/internal/volume"
)

// selfService is Jaeger's own name; a Jaeger that traces its queries stores
// them beside ours.
const selfService = "jaeger"

// shortestWindow is where splitting stops: more traces of one service than a
// page holds started within it. Jaeger's times have microseconds.
const shortestWindow = time.Millisecond

// ErrNotFound is the answer for a trace the Jaeger does not have.
var ErrNotFound = errors.New("trace not found")

// Client reads one Jaeger.
type Client struct {
	URL      string // http://host:port, with a base path if it has one
	HTTP     *http.Client
	PageSize int // traces a question may return; also the limit sent to Jaeger
}

// Window is the time in which a trace must have a span of a service to be found.
type Window struct{ From, To time.Time }

// Traces reads every trace of the window and says, in words, where it could
// not read all. Jaeger's API has no cursor: a page that comes back full is
// asked for again in two halves of its time window.
func (c *Client) Traces(ctx context.Context, w Window) (map[string]volume.Trace, []string, error) {
	services, err := c.services(ctx)
	if err != nil {
		return nil, nil, err
	}
	reader := pager{client: c, traces: map[string]volume.Trace{}}
	for _, service := range services {
		if err := reader.read(ctx, service, w); err != nil {
			return nil, nil, err
		}
	}
	return reader.traces, reader.limits, nil
}

// pager collects the traces of several questions; it is used by one goroutine.
type pager struct {
	client *Client
	traces map[string]volume.Trace
	limits []string
}

func (p *pager) read(ctx context.Context, service string, w Window) error {
	found, err := p.client.find(ctx, service, w)
	if err != nil {
		return err
	}
	for _, t := range found {
		p.traces[t.id()] = t.summary()
	}
	if len(found) < p.client.PageSize {
		return nil
	}
	span := w.To.Sub(w.From)
	if span <= shortestWindow {
		p.limits = append(p.limits, fmt.Sprintf(
			"%s: %d or more traces of service %s began within %s of %s; only that many were read (raise -page)",
			p.client.URL, len(found), service, span, w.From.UTC().Format(time.RFC3339Nano)))
		return nil
	}
	middle := w.From.Add(span / 2)
	if err := p.read(ctx, service, Window{w.From, middle}); err != nil {
		return err
	}
	return p.read(ctx, service, Window{middle, w.To})
}

// Trace reads one trace, or returns ErrNotFound.
func (c *Client) Trace(ctx context.Context, id string) (volume.Trace, error) {
	var found []trace
	if err := c.get(ctx, "/api/traces/"+id, nil, &found); err != nil {
		return volume.Trace{}, err
	}
	if len(found) == 0 {
		return volume.Trace{}, ErrNotFound
	}
	return found[0].summary(), nil
}

func (c *Client) services(ctx context.Context) ([]string, error) {
	var names []string
	if err := c.get(ctx, "/api/services", nil, &names); err != nil {
		return nil, err
	}
	names = slices.DeleteFunc(names, func(name string) bool { return name == selfService })
	slices.Sort(names)
	return names, nil
}

func (c *Client) find(ctx context.Context, service string, w Window) ([]trace, error) {
	query := url.Values{
		"service": {service},
		"start":   {strconv.FormatInt(w.From.UnixMicro(), 10)},
		"end":     {strconv.FormatInt(w.To.UnixMicro(), 10)},
		"limit":   {strconv.Itoa(c.PageSize)},
	}
	var found []trace
	err := c.get(ctx, "/api/traces", query, &found)
	return found, err
}

// get asks for a path and decodes the "data" of the answer.
func (c *Client) get(ctx context.Context, path string, query url.Values, data any) error {
	address := strings.TrimRight(c.URL, "/") + path
	if len(query) > 0 {
		address += "?" + query.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return fmt.Errorf("ask Jaeger: %w", err)
	}
	res, err := c.HTTP.Do(req)
	if err != nil {
		return fmt.Errorf("ask Jaeger: %w", err)
	}
	defer res.Body.Close()
	if res.StatusCode == http.StatusNotFound {
		return fmt.Errorf("ask Jaeger for %s: %w", address, ErrNotFound)
	}
	if res.StatusCode != http.StatusOK {
		const maxQuoted = 500
		reason, _ := io.ReadAll(io.LimitReader(res.Body, maxQuoted))
		return fmt.Errorf("ask Jaeger for %s: %s: %s", address, res.Status, reason)
	}
	if err := json.NewDecoder(res.Body).Decode(&struct{ Data any }{data}); err != nil {
		return fmt.Errorf("read Jaeger's answer for %s: %w", address, err)
	}
	return nil
}
