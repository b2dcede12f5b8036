package shopper

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"
)

const (
	// requestTime is above the gateway's own limit for a call.
	requestTime = 10 * time.Second
	// traceHeader is the shop's response header with the trace id. The shopper is
	// not instrumented, so that the shop's first service is the root.
	traceHeader = "X-Trace-Id"
	quantity    = 25
)

// Answer is what the shop said to one visit.
type Answer struct {
	Visit
	At      time.Time
	Took    time.Duration
	Status  int    // 0 without an answer
	TraceID string // 32 hex digits, or empty
	Err     error  // why there is no answer, or no trace id
}

// AsPlanned reports whether the shop behaved as the visit's class has it.
func (a Answer) AsPlanned() bool {
	return a.Err == nil && a.Status == expected(a.Visit) && (a.Class != Slow || a.Took >= time.Second)
}

func expected(v Visit) int {
	switch {
	case v.Journey == Checkout && v.Class == Failed:
		return http.StatusInternalServerError
	case v.Journey == OrderHistory && v.Class == Failed:
		return http.StatusNotFound
	case v.Journey == OrderHistory:
		return http.StatusOK
	case v.Journey == GiftCard:
		return http.StatusCreated
	default:
		return http.StatusAccepted
	}
}

// Shop sends visits. It is safe for concurrent use.
type Shop struct {
	client     *http.Client
	gatewayURL string
	stockURL   string
}

// NewShop uses few connections for many visits; Close closes them.
func NewShop(s Settings) *Shop {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = mostInFlight
	transport.MaxIdleConns = 2 * mostInFlight
	return &Shop{
		client:     &http.Client{Transport: transport, Timeout: requestTime},
		gatewayURL: s.GatewayURL, stockURL: s.StockURL,
	}
}

// Close ends idle connections.
func (s *Shop) Close() { s.client.CloseIdleConnections() }

// Send makes one visit and waits for the answer.
func (s *Shop) Send(ctx context.Context, v Visit) Answer {
	a := Answer{Visit: v, At: time.Now()}
	a.Status, a.TraceID, a.Err = s.ask(ctx, v)
	a.Took = time.Since(a.At)
	return a
}

func (s *Shop) ask(ctx context.Context, v Visit) (status int, traceID string, err error) {
	req, err := s.request(ctx, v)
	if err != nil {
		return 0, "", err
	}
	resp, err := s.client.Do(req)
	if err != nil {
		return 0, "", err // names method and URL itself
	}
	_, err = io.Copy(io.Discard, resp.Body)
	if err := errors.Join(err, resp.Body.Close()); err != nil {
		return 0, "", fmt.Errorf("read answer to %s: %w", v.Journey, err)
	}
	traceID = resp.Header.Get(traceHeader)
	if id, err := hex.DecodeString(traceID); err != nil || len(id) != 16 {
		return resp.StatusCode, "", fmt.Errorf("answer to %s has %s %q, want 32 hex digits", v.Journey, traceHeader, traceID)
	}
	return resp.StatusCode, traceID, nil
}

func (s *Shop) request(ctx context.Context, v Visit) (*http.Request, error) {
	switch v.Journey {
	case Checkout:
		return post(ctx, s.gatewayURL+"/api/checkout", map[string]any{"items": v.Items})
	case GiftCard:
		return post(ctx, s.gatewayURL+"/api/giftcards", map[string]any{"user_id": v.User, "amount": 5000})
	case Restock:
		return post(ctx, s.stockURL+"/api/restock", map[string]any{"item": v.Items[0], "quantity": quantity})
	default:
		return http.NewRequestWithContext(ctx, http.MethodGet, s.gatewayURL+"/api/orders?user="+url.QueryEscape(v.User), http.NoBody)
	}
}

func post(ctx context.Context, address string, body any) (*http.Request, error) {
	encoded, err := json.Marshal(body)
	if err != nil {
		return nil, fmt.Errorf("encode request to %s: %w", address, err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(encoded))
	if err != nil {
		return nil, fmt.Errorf("post to %s: %w", address, err)
	}
	req.Header.Set("Content-Type", "application/json")
	return req, nil
}

// AwaitReady returns once gateway and stock say that they are ready.
func (s *Shop) AwaitReady(ctx context.Context, wait time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	for _, base := range []string{s.gatewayURL, s.stockURL} {
		if err := s.awaitReady(ctx, base+"/readyz"); err != nil {
			return fmt.Errorf("shop is not ready after %s: %w", wait, err)
		}
	}
	return nil
}

func (s *Shop) awaitReady(ctx context.Context, address string) error {
	for {
		err := s.get(ctx, address)
		if err == nil {
			return nil
		}
		select {
		case <-time.After(250 * time.Millisecond):
		case <-ctx.Done():
			return err
		}
	}
}

func (s *Shop) get(ctx context.Context, address string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
	if err != nil {
		return err
	}
	resp, err := s.client.Do(req)
	if err != nil {
		return err
	}
	answer, _ := io.ReadAll(io.LimitReader(resp.Body, 4096))
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("get %s: status %d: %s", address, resp.StatusCode, bytes.TrimSpace(answer))
	}
	return nil
}
