// Package browser drives a headless Chromium for tests: one browser for a test
// program, and tabs with a size and a colour scheme of their own. Whatever a
// page does that it must not (an exception, an error on the console, a dialog,
// a request to elsewhere) fails the test that opened it.
package browser

import (
	"context"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/otelcol-journey/otelcol-journey/internal/stack"
)

// closeTimeout is how long the browser may take to end.
const closeTimeout = 10 * time.Second

// Browser is one running Chromium. Any number of goroutines may open tabs.
type Browser struct {
	ctx   context.Context // of chromedp: tabs are opened below it
	stop  context.CancelFunc
	shots string

	opening sync.Mutex // chromedp starts targets one after the other
}

// Start starts Chromium, installing it where it has to and may. Pictures go into
// the directory shots.
func Start(ctx context.Context, log io.Writer, shots string) (*Browser, error) {
	path, err := stack.Chromium(ctx, log)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(shots, 0o755); err != nil {
		return nil, fmt.Errorf("make the directory of pictures: %w", err)
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path), chromedp.DisableGPU, chromedp.Flag("lang", "en"),
		// The sandbox refuses to run as root, and the pages are our own.
		chromedp.Flag("no-sandbox", os.Geteuid() == 0),
		// Servers of tests have certificates of their own; clients in Go verify them.
		chromedp.Flag("ignore-certificate-errors", true),
	)
	allocated, release := chromedp.NewExecAllocator(context.WithoutCancel(ctx), options...)
	browser, cancel := chromedp.NewContext(allocated)
	if err := chromedp.Do(browser); err != nil {
		cancel()
		release()
		return nil, fmt.Errorf("start %s: %w", path, err)
	}
	return &Browser{ctx: browser, stop: func() { cancel(); release() }, shots: shots}, nil
}

// Close ends the browser and its tabs.
func (b *Browser) Close() error {
	defer b.stop()
	ctx, cancel := context.WithTimeout(b.ctx, closeTimeout)
	defer cancel()
	return chromedp.Cancel(ctx)
}
