package browser

import (
	"context"
	"testing"

	"github.com/chromedp/cdproto/fetch"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"
)

// Login is what somebody types who is asked for a name and a password.
type Login struct{ Name, Password string }

// OpenAs is Open for a page behind HTTP authentication.
func (b *Browser) OpenAs(t *testing.T, look Look, address string, login Login) *Tab {
	t.Helper()
	return b.open(t, look, address, &login)
}

// pausedRequests is how many requests may wait to go on: more than a page makes at once.
const pausedRequests = 256

// logIn answers every challenge of the tab until its context ends.
func (tab *Tab) logIn(login *Login) {
	tab.t.Helper()
	paused := make(chan any, pausedRequests)
	require.NoError(tab.t, chromedp.Listen(tab.ctx, func(event any) { // must not wait
		switch event.(type) {
		case *fetch.EventAuthRequired, *fetch.EventRequestPaused:
			paused <- event
		}
	}))
	asks := true
	_, err := chromedp.Call(tab.ctx, fetch.Enable, fetch.EnableParams{HandleAuthRequests: &asks})
	require.NoError(tab.t, err)
	go func() {
		for {
			select {
			case event := <-paused:
				goOn(tab.ctx, event, login)
			case <-tab.ctx.Done():
				return
			}
		}
	}()
}

// goOn lets a request go on. One of a tab that is closed meanwhile has no answer.
func goOn(ctx context.Context, event any, login *Login) {
	switch event := event.(type) {
	case *fetch.EventAuthRequired:
		_, _ = chromedp.Call(ctx, fetch.ContinueWithAuth, fetch.ContinueWithAuthParams{
			RequestID: event.RequestID, AuthChallengeResponse: &fetch.AuthChallengeResponse{
				Response: fetch.AuthChallengeResponseResponseProvideCredentials, Username: login.Name, Password: login.Password,
			},
		})
	case *fetch.EventRequestPaused:
		_, _ = chromedp.Call(ctx, fetch.ContinueRequest, fetch.ContinueRequestParams{RequestID: event.RequestID})
	}
}
