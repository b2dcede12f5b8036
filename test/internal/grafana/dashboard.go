// Package grafana reads the dashboards and alert rules of deploy/grafana as
// Grafana and Prometheus do, so that tests can ask of every query which metrics it
// names and what it returns.
package grafana

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
)

// Dashboard is the part of a dashboard's JSON model that the tests look at.
type Dashboard struct {
	File          string `json:"-"` // the name of its file, without folders
	UID           string
	Title         string
	Description   string
	Tags          []string
	Refresh       string
	Editable      bool
	SchemaVersion int
	Templating    struct{ List []Variable }
	Panels        []Panel
	Links         []Link
}

// Variable is one of the choices at the top of a dashboard.
type Variable struct {
	Name        string
	Label       string
	Description string
	Type        string // query, datasource or textbox
	Query       any    // of a textbox its default, else what is asked for
	AllValue    string
	IncludeAll  bool
	Multi       bool
	Hide        int
}

// Panel is one picture or table.
type Panel struct {
	ID          int
	Type        string
	Title       string
	Description string
	GridPos     struct{ H, W, X, Y int }
	Datasource  Datasource
	Targets     []Target
	FieldConfig struct {
		Defaults  Field
		Overrides []Override
	}
	Transformations []json.RawMessage
}

// Field says how values are shown.
type Field struct {
	Unit  string
	Links []Link
}

// Override changes how one field is shown.
type Override struct {
	Matcher    struct{ ID, Options string }
	Properties []struct {
		ID    string
		Value any
	}
}

// Link leads to another dashboard or page.
type Link struct{ Title, URL string }

// Datasource names who is asked.
type Datasource struct{ Type, UID string }

// Target is one query of a panel. Expr is for Prometheus, the others for Jaeger.
type Target struct {
	RefID        string
	Expr         string
	LegendFormat string
	Format       string
	Instant      bool
	QueryType    string
	Service      string
	Tags         string
}

// Dashboards reads all dashboards in the folder.
func Dashboards(folder string) ([]Dashboard, error) {
	files, err := filepath.Glob(filepath.Join(folder, "*.json"))
	if err != nil {
		return nil, fmt.Errorf("look for dashboards: %w", err)
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("no dashboard in %s", folder)
	}
	slices.Sort(files)
	dashboards := make([]Dashboard, 0, len(files))
	for _, file := range files {
		d, err := read(file)
		if err != nil {
			return nil, err
		}
		dashboards = append(dashboards, d)
	}
	return dashboards, nil
}

func read(file string) (Dashboard, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return Dashboard{}, fmt.Errorf("read dashboard: %w", err)
	}
	d := Dashboard{File: filepath.Base(file)}
	if err := json.NewDecoder(bytes.NewReader(text)).Decode(&d); err != nil {
		return Dashboard{}, fmt.Errorf("read dashboard %s: %w", file, err)
	}
	return d, nil
}
