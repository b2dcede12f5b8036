package stack

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
)

// ErrNoPrometheus says that there is no Prometheus on this machine, and that
// none may be installed.
var ErrNoPrometheus = errors.New("no Prometheus to be had: install the package prometheus, " +
	"or run this as root on Debian, where it is installed")

// PrometheusSpec says where a Prometheus listens and stores. A port of 0 is chosen.
type PrometheusSpec struct {
	Path   string // the binary; empty: the installed one, which is installed where it may be
	Config string
	Dir    string // log and data
	Port   int
	Log    io.Writer // what installing says
}

// Prometheus is a running Prometheus on loopback.
type Prometheus struct {
	*Process
	URL string // http://localhost:PORT
}

// StartPrometheus starts a Prometheus and returns when it scrapes and answers.
func StartPrometheus(ctx context.Context, spec PrometheusSpec) (*Prometheus, error) {
	if spec.Path == "" {
		var err error
		if spec.Path, err = installed(ctx, spec.Log, "prometheus", ErrNoPrometheus, "prometheus"); err != nil {
			return nil, err
		}
	}
	if err := choosePorts(&spec.Port); err != nil {
		return nil, fmt.Errorf("start prometheus: %w", err)
	}
	address := fmt.Sprintf("localhost:%d", spec.Port)
	process, err := StartService(ctx, ProcessSpec{
		Name: "prometheus", Path: spec.Path, LogFile: filepath.Join(spec.Dir, "prometheus.log"),
		Args: []string{
			"--config.file=" + spec.Config, "--storage.tsdb.path=" + filepath.Join(spec.Dir, "data"),
			"--web.listen-address=" + address, "--log.level=warn",
		},
	}, "http://"+address+"/-/ready")
	if err != nil {
		return nil, err
	}
	return &Prometheus{Process: process, URL: "http://" + address}, nil
}
