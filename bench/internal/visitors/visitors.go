// Package visitors asks a server at a constant rate over connections that stay
// open, as many programs do that look at the same page all the time.
package visitors

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"
)

const (
	// patience is how long an answer may take.
	patience = 5 * time.Second
	// redialAfter is how long a visitor who found nobody stays away.
	redialAfter = 100 * time.Millisecond
)

// Settings say how much is asked for.
type Settings struct {
	Address     string // host:port
	PerSecond   int    // requests, of all visitors together
	Connections int    // visitors, each with one request on its way at a time
	// Path is what the nth request asks for at a time since Visit. It is called
	// by all visitors at once.
	Path func(n int, elapsed time.Duration) string
}

// Outcome is what the visitors were told.
type Outcome struct {
	Took     time.Duration
	Statuses map[int]int // answers, by HTTP status
	Failed   int         // requests without an answer
	// Unasked is how many requests were not made when they were due, because
	// all visitors still waited for an answer.
	Unasked int
	// P50, P99 and Longest are of the answers with status 200, from the request.
	P50, P99, Longest time.Duration
}

// Visit asks until ctx ends.
func Visit(ctx context.Context, settings Settings) Outcome {
	begun := time.Now()
	all := make([]visitor, settings.Connections)
	var wg sync.WaitGroup
	for i := range all {
		v := &all[i]
		*v = visitor{Settings: settings, number: i, begun: begun, statuses: map[int]int{}}
		wg.Go(func() { v.run(ctx) })
	}
	wg.Wait()
	o := Outcome{Took: time.Since(begun), Statuses: map[int]int{}}
	var took []time.Duration
	for i := range all {
		for status, n := range all[i].statuses {
			o.Statuses[status] += n
		}
		o.Failed += all[i].failed
		o.Unasked += all[i].unasked
		took = append(took, all[i].took...)
	}
	if slices.Sort(took); len(took) > 0 {
		o.P50, o.P99, o.Longest = took[len(took)/2], took[len(took)*99/100], took[len(took)-1]
	}
	return o
}

// visitor is one connection and what came over it. One goroutine owns it.
type visitor struct {
	Settings
	number   int
	begun    time.Time
	conn     net.Conn // nil until somebody was found
	reader   *bufio.Reader
	request  []byte
	statuses map[int]int
	took     []time.Duration
	failed   int
	unasked  int
}

// run asks for every Connections-th request when it is due.
func (v *visitor) run(ctx context.Context) {
	defer v.leave()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for n := v.number; ; n += v.Connections {
		late := time.Since(v.begun) - v.due(n)
		if late > 0 && v.due(n+v.Connections)-v.due(n) < late {
			v.unasked++
			continue
		}
		timer.Reset(-late)
		select {
		case <-timer.C:
		case <-ctx.Done():
			return
		}
		asked := time.Now()
		status, err := v.ask(ctx, v.Path(n, v.due(n)))
		switch {
		case err == nil:
			v.statuses[status]++
			if status == http.StatusOK {
				v.took = append(v.took, time.Since(asked))
			}
		case ctx.Err() != nil:
			return // nobody waits for that answer any more
		default:
			v.failed++
		}
	}
}

// due is when a request is, since the visit began.
func (v *visitor) due(n int) time.Duration {
	return time.Duration(float64(n) / float64(v.PerSecond) * float64(time.Second))
}

// ask makes one request and reads its answer to the end.
func (v *visitor) ask(ctx context.Context, path string) (status int, err error) {
	if err := v.connect(ctx); err != nil {
		return 0, err
	}
	response, err := v.exchange(path)
	if err == nil {
		_, err = io.Copy(io.Discard, response.Body)
		err = errors.Join(err, response.Body.Close())
	}
	if err != nil {
		v.leave()
		return 0, fmt.Errorf("ask for %s: %w", path, err)
	}
	if response.Close {
		v.leave()
	}
	return response.StatusCode, nil
}

// exchange writes a request by itself: http.Client would take as much of the
// machine as the server that is measured.
func (v *visitor) exchange(path string) (*http.Response, error) {
	if err := v.conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return nil, err
	}
	v.request = append(v.request[:0], "GET "...)
	v.request = append(v.request, path...)
	v.request = append(v.request, " HTTP/1.1\r\nHost: "...)
	v.request = append(v.request, v.Address...)
	v.request = append(v.request, "\r\nAccept-Encoding: gzip\r\n\r\n"...)
	if _, err := v.conn.Write(v.request); err != nil {
		return nil, err
	}
	return http.ReadResponse(v.reader, nil)
}

func (v *visitor) connect(ctx context.Context) error {
	if v.conn != nil {
		return nil
	}
	conn, err := (&net.Dialer{Timeout: patience}).DialContext(ctx, "tcp", v.Address)
	if err != nil {
		select {
		case <-time.After(redialAfter):
		case <-ctx.Done():
		}
		return fmt.Errorf("connect to %s: %w", v.Address, err)
	}
	v.conn, v.reader = conn, bufio.NewReader(conn)
	return nil
}

func (v *visitor) leave() {
	if v.conn != nil {
		v.conn.Close()
		v.conn = nil
	}
}
