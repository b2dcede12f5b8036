package journeysextension

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"
)

// snapshots are the answers of one interval. Each is made when it is first
// asked for, and only once, however many ask for it.
type snapshots struct {
	interval time.Duration
	made     func() // counts

	mu      sync.Mutex // for all below
	begun   time.Time  // of the interval
	answers map[string]*snapshot
}

// snapshot is an answer. It does not change once it is made.
type snapshot struct {
	once         sync.Once
	body, zipped []byte
	etag         string
	err          error
}

// errUnknown says that there is nothing under the name that was asked for.
var errUnknown = errors.New("nothing is known of it")

// maxAnswers bounds the answers that are held: some 15 MiB of usual ones. When
// more is asked for within an interval, answers are made anew.
const maxAnswers = 256

// get returns the answer under a key as of this interval. Build is called by the
// first who asks; the others wait for it.
func (s *snapshots) get(key string, now time.Time, build func() (any, error)) *snapshot {
	one := s.find(key, now)
	one.once.Do(func() {
		var answer any
		if answer, one.err = build(); one.err == nil {
			s.made()
			one.fill(answer)
		}
	})
	return one
}

func (s *snapshots) find(key string, now time.Time) *snapshot {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.answers == nil || now.Sub(s.begun) >= s.interval || now.Before(s.begun) || len(s.answers) >= maxAnswers {
		s.begun, s.answers = now, map[string]*snapshot{}
	}
	one := s.answers[key]
	if one == nil {
		one = &snapshot{}
		s.answers[key] = one
	}
	return one
}

// zipFrom is from how many bytes on an answer is also compressed.
const zipFrom = 1 << 10

func (a *snapshot) fill(answer any) {
	body, err := json.Marshal(answer)
	if err != nil {
		a.err = fmt.Errorf("encode answer: %w", err)
		return
	}
	a.body, a.etag = body, etagOf(body)
	if len(body) >= zipFrom {
		a.zipped = zip(body)
	}
}

func etagOf(body []byte) string {
	sum := sha256.Sum256(body)
	return base64.RawURLEncoding.EncodeToString(sum[:12])
}

func zip(body []byte) []byte {
	var b bytes.Buffer
	w, _ := gzip.NewWriterLevel(&b, gzip.BestSpeed) // only a wrong level is an error
	_, err := w.Write(body)
	if err = errors.Join(err, w.Close()); err != nil {
		return nil // not with a buffer
	}
	return b.Bytes()
}
