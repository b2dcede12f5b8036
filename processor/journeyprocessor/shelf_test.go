package journeyprocessor

import (
	"context"
	"errors"
	"sync"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/extension/xextension/storage"
)

// shelf is a storage extension in memory, which outlives the processor.
type shelf struct {
	component.StartFunc
	component.ShutdownFunc

	mu     sync.Mutex
	values map[string][]byte
	fail   func(op, key string) error
}

func newShelf() *shelf { return &shelf{values: make(map[string][]byte)} }

var shelfID = component.MustNewID("file_storage")

// withShelf gives the processor storage from its next start on.
func (h *harness) withShelf() *shelf {
	s := newShelf()
	h.extensions = map[component.ID]component.Component{shelfID: s}
	return s
}

func (s *shelf) GetClient(context.Context, component.Kind, component.ID, string) (storage.Client, error) {
	return s, nil
}

func (s *shelf) do(op, key string, f func()) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fail != nil {
		if err := s.fail(op, key); err != nil {
			return err
		}
	}
	f()
	return nil
}

func (s *shelf) Get(_ context.Context, key string) (value []byte, err error) {
	return value, s.do("get", key, func() { value = s.values[key] })
}

func (s *shelf) Set(_ context.Context, key string, value []byte) error {
	return s.do("set", key, func() { s.values[key] = value })
}

func (s *shelf) Delete(_ context.Context, key string) error {
	return s.do("delete", key, func() { delete(s.values, key) })
}

func (*shelf) Batch(context.Context, ...*storage.Operation) error { return errors.New("not used") }
func (*shelf) Close(context.Context) error                        { return nil }

// breakDown makes all that is done with it fail, until it is given nil.
func (s *shelf) breakDown(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fail = nil; err != nil {
		s.fail = func(string, string) error { return err }
	}
}

func (s *shelf) broken() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.fail != nil
}
