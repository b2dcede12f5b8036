package gateway

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"github.com/otelcol-journey/otelcol-journey/demo-services/internal/app"
)

// largestAnswer bounds what is read of another service's answer.
const largestAnswer = 1 << 20

// remote is one route of another HTTP service.
type remote struct {
	client *http.Client
	base   string
}

// call returns the answer's status and body; the error is for no answer at all.
func (r remote) call(ctx context.Context, method, path string, body []byte) (status int, answer []byte, err error) {
	req, err := http.NewRequestWithContext(ctx, method, r.base+path, bytes.NewReader(body))
	if err != nil {
		return 0, nil, fmt.Errorf("%s %s: %w", method, path, err)
	}
	if len(body) > 0 {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := r.client.Do(req)
	if err != nil {
		return 0, nil, err // names method and URL itself
	}
	answer, err = io.ReadAll(io.LimitReader(resp.Body, largestAnswer))
	return resp.StatusCode, answer, errors.Join(err, resp.Body.Close())
}

// history answers with a user's orders.
func (s *Service) history(w http.ResponseWriter, req *http.Request) {
	user := req.URL.Query().Get("user")
	if user == "" {
		s.fail(w, req, http.StatusBadRequest, "query needs a user", errors.New("no user in the query"))
		return
	}
	if err := s.session(req); err != nil {
		s.fail(w, req, http.StatusInternalServerError, "session unknown", err)
		return
	}
	s.log.InfoContext(req.Context(), "order history requested", "user_id", user)
	status, answer, err := s.orders.call(req.Context(), http.MethodGet, "/orders/"+url.PathEscape(user), nil)
	s.pass(w, req, status, answer, err)
}

type giftCard struct {
	UserID string `json:"user_id"`
	Amount int64  `json:"amount"` // cents
}

// giftCard sells a gift card to a user.
func (s *Service) giftCard(w http.ResponseWriter, req *http.Request) {
	var card giftCard
	if err := s.decode(w, req, &card); err != nil || card.UserID == "" || card.Amount <= 0 {
		s.fail(w, req, http.StatusBadRequest, "want a user_id and an amount above 0", err)
		return
	}
	if err := s.session(req); err != nil {
		s.fail(w, req, http.StatusInternalServerError, "session unknown", err)
		return
	}
	body, err := json.Marshal(map[string]int64{"amount": card.Amount})
	if err != nil {
		s.fail(w, req, http.StatusInternalServerError, "gift card not sold", err)
		return
	}
	s.log.InfoContext(req.Context(), "gift card requested", "user_id", card.UserID)
	status, answer, err := s.gifts.call(req.Context(), http.MethodPost, "/users/"+url.PathEscape(card.UserID)+"/giftcards", body)
	s.pass(w, req, status, answer, err)
}

// pass hands on another service's answer, but for its own troubles: those are 502.
func (s *Service) pass(w http.ResponseWriter, req *http.Request, status int, answer []byte, err error) {
	if err == nil && status >= http.StatusInternalServerError {
		err = fmt.Errorf("status %d", status)
	}
	if err != nil {
		s.fail(w, req, http.StatusBadGateway, "service behind the gateway failed", err)
		return
	}
	if status >= http.StatusBadRequest {
		s.log.WarnContext(req.Context(), "request refused", "status", status)
	} else {
		s.log.InfoContext(req.Context(), "request answered", "status", status)
	}
	app.WriteJSON(w, status, json.RawMessage(answer))
}
