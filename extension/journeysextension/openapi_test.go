package journeysextension

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componentstatus"
	"go.opentelemetry.io/collector/pipeline"
	"go.yaml.in/yaml/v3"

	"github.com/otelcol-journey/otelcol-journey/extension/journeysextension/internal/api"
)

// document is what the tests need of openapi.yaml.
type document struct {
	Paths map[string]struct {
		Get struct {
			Parameters []struct {
				Ref  string `yaml:"$ref"`
				Name string
			}
			Responses map[string]struct {
				Content map[string]struct {
					Schema   *schema
					Examples map[string]struct {
						ExternalValue string `yaml:"externalValue"`
					}
				}
			}
		}
	}
	Components struct{ Schemas map[string]*schema }
}

// schema is as much of JSON Schema as the document uses.
type schema struct {
	Ref                  string `yaml:"$ref"`
	Type                 any
	Enum                 []string
	Items                *schema
	OneOf                []*schema `yaml:"oneOf"`
	Required             []string
	Properties           map[string]*schema
	AdditionalProperties *bool `yaml:"additionalProperties"`
	Description, Format  string
}

func readDocument(t *testing.T) *document {
	t.Helper()
	var d document
	require.NoError(t, yaml.Unmarshal(openAPI, &d))
	return &d
}

func (d *document) resolve(s *schema) *schema {
	if s.Ref == "" {
		return s
	}
	return d.Components.Schemas[strings.TrimPrefix(s.Ref, "#/components/schemas/")]
}

// check holds a value against a schema.
func (d *document) check(at string, s *schema, value any) error {
	s = d.resolve(s)
	if s == nil {
		return fmt.Errorf("%s: no schema", at)
	}
	if len(s.OneOf) > 0 {
		var errs []error
		for _, one := range s.OneOf {
			err := d.check(at, one, value)
			if err == nil {
				return nil
			}
			errs = append(errs, err)
		}
		return errors.Join(errs...)
	}
	of := typeOf(value)
	if of == "integer" && slices.Contains(typesOf(s), "number") {
		of = "number"
	}
	if !slices.Contains(typesOf(s), of) {
		return fmt.Errorf("%s: %v is %s, not %v", at, value, typeOf(value), s.Type)
	}
	switch v := value.(type) {
	case string:
		if s.Enum != nil && !slices.Contains(s.Enum, v) {
			return fmt.Errorf("%s: %q is not one of %q", at, v, s.Enum)
		}
	case []any:
		for i, item := range v {
			if err := d.check(fmt.Sprintf("%s[%d]", at, i), s.Items, item); err != nil {
				return err
			}
		}
	case map[string]any:
		return d.checkObject(at, s, v)
	}
	return nil
}

func (d *document) checkObject(at string, s *schema, value map[string]any) error {
	for _, key := range s.Required {
		if _, ok := value[key]; !ok {
			return fmt.Errorf("%s: %s is missing", at, key)
		}
	}
	for key, v := range value {
		if s.Properties[key] == nil {
			return fmt.Errorf("%s: %s is not described", at, key)
		}
		if err := d.check(at+"."+key, s.Properties[key], v); err != nil {
			return err
		}
	}
	return nil
}

func typesOf(s *schema) []string {
	switch of := s.Type.(type) {
	case string:
		return []string{of}
	case []any:
		var list []string
		for _, one := range of {
			list = append(list, fmt.Sprint(one))
		}
		return list
	}
	return nil
}

func typeOf(value any) string {
	switch v := value.(type) {
	case nil:
		return "null"
	case bool:
		return "boolean"
	case string:
		return "string"
	case float64:
		if v == float64(int64(v)) {
			return "integer"
		}
		return "number"
	case []any:
		return "array"
	}
	return "object"
}

func decode(t *testing.T, text []byte) any {
	t.Helper()
	var value any
	require.NoError(t, json.Unmarshal(text, &value))
	return value
}

// full is an extension that has something in every list.
func full(t *testing.T) *harness {
	h := newHarness(t, nil)
	now := time.Now()
	h.addReport(h.report("checkout", 3), now)
	h.Attach("journey", newOracle("checkout"))
	source := componentstatus.NewInstanceID(component.MustNewID("otlp"), component.KindReceiver, pipeline.NewID(pipeline.SignalTraces))
	h.ComponentStatusChanged(source, componentstatus.NewRecoverableErrorEvent(errors.New("no connection")))
	return h
}

// requests asks for every path of the document.
var requests = map[string][]string{
	"/api/v1/overview":          {"/api/v1/overview", "/api/v1/overview?window=24h"},
	"/api/v1/journeys":          {"/api/v1/journeys", "/api/v1/journeys?window=1h"},
	"/api/v1/journey":           {"/api/v1/journey?name=checkout&window=5m"},
	"/api/v1/traces/{trace_id}": {tracePath(1), tracePath(2), tracePath(3), tracePath(4), "/api/v1/traces/" + strings.ToUpper(traceID(2).String())},
	"/api/v1/live":              {"/api/v1/live"},
}

func TestEveryAnswerIsAsTheDocumentSays(t *testing.T) {
	d, h := readDocument(t), full(t)
	for route, operation := range d.Paths {
		if route == "/api/v1/openapi.yaml" {
			continue
		}
		require.NotEmpty(t, requests[route], "%s is not asked for by this test", route)
		for _, request := range requests[route] {
			w := h.request(http.MethodGet, request)
			require.Equal(t, http.StatusOK, w.Code, w.Body.String())
			answer := decode(t, w.Body.Bytes())
			require.NoError(t, d.check(request, operation.Get.Responses["200"].Content["application/json"].Schema, answer))
			require.Empty(t, empties(request, answer), "the test has nothing in these lists, so it does not check them")
		}
	}
	for _, wrong := range []string{"/api/v1/overview?window=1y", "/api/v1/journey?name=nobody", "/api/v1/journey", "/api/v1/traces/1", tracePath(9), "/api/v1/nothing"} {
		w := h.request(http.MethodGet, wrong)
		require.Contains(t, []int{http.StatusBadRequest, http.StatusNotFound}, w.Code, wrong)
		require.NoError(t, d.check(wrong, d.Components.Schemas["Error"], decode(t, w.Body.Bytes())))
	}
}

// empties lists the lists without anything, but those that may be.
func empties(at string, value any) (list []string) {
	switch v := value.(type) {
	case map[string]any:
		for key, one := range v {
			list = append(list, empties(at+"."+key, one)...)
		}
	case []any:
		if len(v) == 0 && !strings.HasSuffix(at, ".omitted") && !strings.HasSuffix(at, ".steps_missing") {
			return []string{at}
		}
		for i, one := range v {
			list = append(list, empties(fmt.Sprint(at, i), one)...)
		}
	}
	return list
}

func TestTheDocumentHasEveryRouteAndNoOther(t *testing.T) {
	var served []string
	for route := range newHarness(t, nil).routes() {
		served = append(served, apiPath+route)
	}
	require.ElementsMatch(t, append(served, apiPath+"openapi.yaml"), slices.Collect(maps.Keys(readDocument(t).Paths)))
}

// Every field of every answer is described with the type that it has, and
// nothing is described that there is not.
func TestTheDocumentHasEveryField(t *testing.T) {
	d := readDocument(t)
	seen := map[string]bool{}
	for _, answer := range []any{api.Overview{}, api.Table{}, api.Journey{}, api.Lookup{}, api.Waiting{}, api.Remembered{}, api.Live{}, api.Error{}} {
		d.requireFields(t, reflect.TypeOf(answer), seen)
	}
	require.ElementsMatch(t, slices.Collect(maps.Keys(seen)), slices.Collect(maps.Keys(d.Components.Schemas)))
}

func (d *document) requireFields(t *testing.T, of reflect.Type, seen map[string]bool) {
	t.Helper()
	if seen[of.Name()] {
		return
	}
	seen[of.Name()] = true
	s := d.Components.Schemas[of.Name()]
	require.NotNil(t, s, of.Name())
	require.NotEmpty(t, s.Description, of.Name())
	require.NotNil(t, s.AdditionalProperties, of.Name())
	var names []string
	for _, field := range reflect.VisibleFields(of) {
		if field.Anonymous {
			continue
		}
		name := field.Tag.Get("json")
		names = append(names, name)
		inner := field.Type
		for inner.Kind() == reflect.Slice || inner.Kind() == reflect.Pointer {
			inner = inner.Elem()
		}
		if inner.Kind() == reflect.Struct && inner != reflect.TypeFor[time.Time]() {
			d.requireFields(t, inner, seen)
		}
		require.NotNil(t, s.Properties[name], "%s.%s", of.Name(), name)
	}
	require.ElementsMatch(t, names, slices.Collect(maps.Keys(s.Properties)), of.Name())
	require.ElementsMatch(t, names, s.Required, of.Name())
}

func TestTheExamplesAreAsTheDocumentSays(t *testing.T) {
	d := readDocument(t)
	used := map[string]bool{}
	for route, operation := range d.Paths {
		for code, response := range operation.Get.Responses {
			content := response.Content["application/json"]
			for name, example := range content.Examples {
				text, err := os.ReadFile(example.ExternalValue)
				require.NoError(t, err)
				require.NoError(t, d.check(route+" "+code+" "+name, content.Schema, decode(t, text)))
				used[filepath.Base(example.ExternalValue)] = true
			}
		}
	}
	files, err := os.ReadDir(filepath.Join("testdata", "api"))
	require.NoError(t, err)
	for _, file := range files {
		require.True(t, used[file.Name()] || file.Name() == "error.json", file.Name())
	}
}

func TestTheDocumentIsServed(t *testing.T) {
	w := newHarness(t, nil).request(http.MethodGet, "/api/v1/openapi.yaml")
	require.Equal(t, http.StatusOK, w.Code)
	require.Equal(t, openAPI, w.Body.Bytes())
	require.Equal(t, "application/yaml; charset=utf-8", w.Header().Get("Content-Type"))
}
