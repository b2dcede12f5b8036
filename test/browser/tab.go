package browser

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"
)

const (
	// patience is how long a page may take to become what is awaited, on a
	// machine that is busy with other tests.
	patience = 30 * time.Second
	glance   = 25 * time.Millisecond
)

// Look is what a tab is looked at with.
type Look struct {
	Width, Height int64
	Dark          bool
}

// Tab is one page that is open. It belongs to one test.
type Tab struct {
	t     *testing.T
	ctx   context.Context
	shots string

	mu       sync.Mutex
	host     string   // where requests may go
	problems []string // what the page must not have done
	expected []string // parts of problems that the test provokes
}

// Open opens a page of its own storage, and closes it with the test, which fails
// if the page did what it must not.
func (b *Browser) Open(t *testing.T, look Look, address string) *Tab {
	t.Helper()
	return b.open(t, look, address, nil)
}

func (b *Browser) open(t *testing.T, look Look, address string, login *Login) *Tab {
	t.Helper()
	b.opening.Lock()
	defer b.opening.Unlock()
	ctx, cancel := chromedp.NewContext(b.ctx, chromedp.WithNewBrowserContext())
	tab := &Tab{t: t, ctx: ctx, shots: b.shots}
	t.Cleanup(func() {
		cancel()
		require.Empty(t, tab.unexpected(), "what the page must not do")
	})
	at, err := url.Parse(address)
	require.NoError(t, err)
	tab.host = at.Host
	require.NoError(t, chromedp.Listen(ctx, tab.see))
	if login != nil {
		tab.logIn(login)
	}
	tab.Look(look)
	tab.do(chromedp.Navigate(address))
	return tab
}

// Expect allows what the test provokes: problems that contain the text.
func (tab *Tab) Expect(text string) { tab.expected = append(tab.expected, text) }

func (tab *Tab) unexpected() []string {
	tab.mu.Lock()
	defer tab.mu.Unlock()
	var list []string
problems:
	for _, problem := range tab.problems {
		for _, text := range tab.expected {
			if strings.Contains(problem, text) {
				continue problems
			}
		}
		list = append(list, problem)
	}
	return list
}

// see notes what a page must not do. chromedp calls it and must not wait.
func (tab *Tab) see(event any) {
	tab.mu.Lock()
	defer tab.mu.Unlock()
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		tab.problems = append(tab.problems, "exception: "+thrown(e.ExceptionDetails))
	case *runtime.EventConsoleAPICalled:
		if e.Type == runtime.ConsoleAPICalledTypeError || e.Type == runtime.ConsoleAPICalledTypeWarning {
			tab.problems = append(tab.problems, fmt.Sprintf("console: %v", e.Args))
		}
	case *log.EventEntryAdded: // a refusal by the content security policy is one
		if e.Entry.Level == log.EntryLevelError {
			tab.problems = append(tab.problems, "log: "+e.Entry.Text+" "+e.Entry.URL)
		}
	case *page.EventJavascriptDialogOpening:
		tab.problems = append(tab.problems, "dialog: "+e.Message)
	case *network.EventRequestWillBeSent:
		if at, err := url.Parse(e.Request.URL); err == nil && at.Scheme != "data" && at.Host != tab.host {
			tab.problems = append(tab.problems, "request to elsewhere: "+e.Request.URL)
		}
	}
}

func (tab *Tab) do(action chromedp.Action[chromedp.Void]) {
	tab.t.Helper()
	ctx, cancel := context.WithTimeout(tab.ctx, patience)
	defer cancel()
	require.NoError(tab.t, chromedp.Do(ctx, action))
}

// Look changes size and colour scheme.
func (tab *Tab) Look(look Look) {
	tab.t.Helper()
	scheme := "light"
	if look.Dark {
		scheme = "dark"
	}
	tab.do(chromedp.EmulateViewport(look.Width, look.Height))
	_, err := chromedp.Call(tab.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
	})
	require.NoError(tab.t, err)
}

// Go follows a deep link within the page.
func (tab *Tab) Go(hash string) {
	tab.t.Helper()
	Eval[bool](tab, fmt.Sprintf("location.hash = %q, true", hash))
}

// Eval evaluates an expression in the page.
func Eval[T any](tab *Tab, expression string) T {
	tab.t.Helper()
	ctx, cancel := context.WithTimeout(tab.ctx, patience)
	defer cancel()
	value, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression))
	require.NoError(tab.t, err, expression)
	return value
}

// Await returns when an expression is true.
func (tab *Tab) Await(what, expression string) {
	tab.t.Helper()
	deadline := time.Now().Add(patience)
	ticker := time.NewTicker(glance)
	defer ticker.Stop()
	for !Eval[bool](tab, "Boolean("+expression+")") {
		if time.Now().After(deadline) {
			tab.Shot("failed-" + strings.ReplaceAll(tab.t.Name(), "/", "-"))
			require.Fail(tab.t, what, "not within %s; the page says:\n%s", patience, Eval[string](tab, "document.body.innerText.slice(0, 3000)"))
		}
		<-ticker.C
	}
}

// Click clicks the element as a mouse would: where it is, if it is seen.
func (tab *Tab) Click(selector string) {
	tab.t.Helper()
	tab.do(chromedp.Click(chromedp.CSS(selector)))
}

// Type types into what has the focus.
func (tab *Tab) Type(keys string) {
	tab.t.Helper()
	tab.do(chromedp.KeyEvent(keys))
}

// Shot writes a picture of what is seen, for people to look at.
func (tab *Tab) Shot(name string) {
	tab.t.Helper()
	ctx, cancel := context.WithTimeout(tab.ctx, patience)
	defer cancel()
	picture, err := chromedp.Run(ctx, chromedp.CaptureScreenshot())
	require.NoError(tab.t, err)
	require.NoError(tab.t, os.WriteFile(filepath.Join(tab.shots, name+".png"), picture, 0o600))
}

// ShotWhole writes a picture of the whole page, however long it is.
func (tab *Tab) ShotWhole(name string) {
	tab.t.Helper()
	ctx, cancel := context.WithTimeout(tab.ctx, patience)
	defer cancel()
	const lossless = 100
	picture, err := chromedp.Run(ctx, chromedp.FullScreenshot(lossless))
	require.NoError(tab.t, err)
	require.NoError(tab.t, os.WriteFile(filepath.Join(tab.shots, name+".png"), picture, 0o600))
}

func thrown(details *runtime.ExceptionDetails) string {
	if details.Exception != nil {
		return details.Text + " " + details.Exception.Description
	}
	return details.Text
}
