package journeyprocessor

import (
	"sync"
	"time"

	"go.uber.org/zap"
)

// lossPause is the time between two lines about losses.
const lossPause = time.Second

// losses says what is lost of one signal. What the next component refuses for
// good comes with every batch, so there is a line a second at most, which has
// the number of records since the one before it. Any goroutine may use it.
type losses struct {
	logger *zap.Logger
	signal string

	mu     sync.Mutex
	next   time.Time
	unsaid int // records
}

// say logs the loss of records, one of which is described by why, or keeps it
// for the next line.
func (l *losses) say(records int, why ...zap.Field) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.unsaid += records
	if now := time.Now(); !now.Before(l.next) {
		l.next = now.Add(lossPause)
		l.write(why...)
	}
}

// flush logs what is unsaid.
func (l *losses) flush() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.unsaid > 0 {
		l.write()
	}
}

func (l *losses) write(why ...zap.Field) {
	l.logger.Error("Lost what was to be kept: the next component has not taken it",
		append(why, zap.String("signal", l.signal), zap.Int("records", l.unsaid))...)
	l.unsaid = 0
}
