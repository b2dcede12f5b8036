package stack

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"text/template"
	"time"
)

//go:embed jaeger.yaml.tmpl
var jaegerConfig string

var jaegerTemplate = template.Must(template.New("jaeger").Option("missingkey=error").Parse(jaegerConfig))

// JaegerSpec says where a Jaeger v2 listens and stores. Ports of 0 are chosen.
type JaegerSpec struct {
	Name string // for messages
	Path string // the binary
	Dir  string // configuration, log and Badger's folders
	// QueryPort serves the API and, if the binary has one, the page.
	QueryPort   int
	OTLPPort    int
	MetricsPort int
}

// Jaeger is a Jaeger with Badger storage, all of it on loopback.
type Jaeger struct {
	*Process
	QueryURL     string // http://localhost:PORT
	OTLPEndpoint string // localhost:PORT, gRPC
	MetricsURL   string
}

// StartJaeger starts a Jaeger on the data that its Dir holds and returns when
// it takes spans and answers queries.
func StartJaeger(ctx context.Context, spec JaegerSpec) (*Jaeger, error) {
	if err := choosePorts(&spec.QueryPort, &spec.OTLPPort, &spec.MetricsPort); err != nil {
		return nil, fmt.Errorf("start %s: %w", spec.Name, err)
	}
	config, err := writeJaegerConfig(spec)
	if err != nil {
		return nil, fmt.Errorf("configure %s: %w", spec.Name, err)
	}
	process, err := StartProcess(ctx, ProcessSpec{
		Name: spec.Name, Path: spec.Path, Args: []string{"--config", config},
		// It must not trace its own queries into what we count.
		Env: []string{"OTEL_TRACES_SAMPLER=always_off"}, LogFile: filepath.Join(spec.Dir, "jaeger.log"),
	})
	if err != nil {
		return nil, err
	}
	j := &Jaeger{
		Process:      process,
		QueryURL:     fmt.Sprintf("http://localhost:%d", spec.QueryPort),
		OTLPEndpoint: fmt.Sprintf("localhost:%d", spec.OTLPPort),
		MetricsURL:   fmt.Sprintf("http://localhost:%d/metrics", spec.MetricsPort),
	}
	err = process.await(ctx, func() bool {
		return answers(ctx, j.QueryURL+"/api/services") && answers(ctx, j.MetricsURL) && portOpen(j.OTLPEndpoint)
	})
	if err != nil {
		return nil, err
	}
	return j, nil
}

func writeJaegerConfig(spec JaegerSpec) (string, error) {
	dir, err := filepath.Abs(spec.Dir)
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	spec.Dir = dir
	var text bytes.Buffer
	if err := jaegerTemplate.Execute(&text, spec); err != nil {
		return "", err
	}
	path := filepath.Join(dir, "jaeger.yaml")
	return path, os.WriteFile(path, text.Bytes(), 0o644)
}

func choosePorts(ports ...*int) error {
	free, err := freePorts(len(ports))
	if err != nil {
		return err
	}
	for i, port := range ports {
		if *port == 0 {
			*port = free[i]
		}
	}
	return nil
}

// await polls ready until it holds. If the child ends first, or the context
// does, the child is stopped and the error quotes its log.
func (p *Process) await(ctx context.Context, ready func() bool) error {
	err := poll(ctx, func() (bool, error) {
		select {
		case <-p.exited:
			return false, p.earlyEnd()
		default:
			return ready(), nil
		}
	})
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		err = fmt.Errorf("wait for %s to be ready: %w%s", p.spec.Name, err, p.logTail())
	}
	return errors.Join(err, p.Kill())
}

// answerTimeout bounds one question to a child on loopback.
const answerTimeout = 2 * time.Second

// probe keeps no connection between questions, so that no goroutine outlives
// the answer.
var probe = &http.Client{Timeout: answerTimeout, Transport: &http.Transport{DisableKeepAlives: true}}

func answers(ctx context.Context, url string) bool {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return false
	}
	res, err := probe.Do(req)
	if err != nil {
		return false
	}
	res.Body.Close()
	return res.StatusCode == http.StatusOK
}
