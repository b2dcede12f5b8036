package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
)

// profiler takes profiles of one run through the pprof extension, which writes
// the CPU profile itself when the collector stops.
type profiler struct{ endpoint, path string }

// environment is what configs/profile.yaml asks for.
func (p *profiler) environment() map[string]string {
	return map[string]string{"PPROF_ENDPOINT": p.endpoint, "CPU_PROFILE": p.path + ".cpu.pprof"}
}

// heap saves what the collector holds now. It runs a collection first, so the
// figures are of live memory; that also costs the run some CPU time.
func (p *profiler) heap(ctx context.Context) (err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+p.endpoint+"/debug/pprof/heap?gc=1", http.NoBody)
	if err != nil {
		return fmt.Errorf("ask for the heap profile: %w", err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return fmt.Errorf("ask for the heap profile: %w", err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("ask for the heap profile: %s", response.Status)
	}
	f, err := os.Create(p.path + ".heap.pprof")
	if err != nil {
		return fmt.Errorf("save the heap profile: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if _, err := io.Copy(f, response.Body); err != nil {
		return fmt.Errorf("save the heap profile: %w", err)
	}
	return nil
}
