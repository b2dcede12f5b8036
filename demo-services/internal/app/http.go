package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/otelcol-journey/otelcol-journey/demo-services/internal/env"
)

// HTTPServer is a part that serves one handler on the address that a variable gives.
type HTTPServer struct {
	variable string
	address  string
	server   *http.Server
}

// NewHTTPServer reads the address from the variable and names it in errors.
func NewHTTPServer(r *env.Reader, variable string, handler http.Handler) *HTTPServer {
	return &HTTPServer{
		variable: variable,
		address:  r.Text(variable),
		server: &http.Server{
			Handler:           handler,
			ReadHeaderTimeout: 5 * time.Second,
			ErrorLog:          slog.NewLogLogger(slog.Default().Handler(), slog.LevelWarn),
		},
	}
}

// Start listens before it returns, so that a busy port is an error of Start.
func (s *HTTPServer) Start(fail func(error)) error {
	listener, err := net.Listen("tcp", s.address)
	if err != nil {
		return fmt.Errorf("listen on %s=%q: %w", s.variable, s.address, err)
	}
	go func() {
		if err := s.server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			fail(fmt.Errorf("serve %s=%q: %w", s.variable, s.address, err))
		}
	}()
	return nil
}

// Stop lets the requests in flight finish.
func (s *HTTPServer) Stop(ctx context.Context) error {
	if err := s.server.Shutdown(ctx); err != nil {
		return errors.Join(fmt.Errorf("finish requests on %s: %w", s.address, err), s.server.Close())
	}
	return nil
}
