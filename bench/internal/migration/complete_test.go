package migration

import (
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/open-telemetry/opentelemetry-collector-contrib/processor/tailsamplingprocessor"
	"github.com/stretchr/testify/require"

	"github.com/otelcol-journey/otelcol-journey/internal/tailconvert"
)

const guide = "../../../docs/migrating-from-tail-sampling.md"

// withoutSettings are policies that have no type in contrib's configuration.
var withoutSettings = []string{"always_sample", "trace_flags"}

// Whatever key contrib's configuration has, tailconvert knows. A new version
// with more of them fails here.
func TestEveryKeyIsKnown(t *testing.T) {
	for key, field := range keys(reflect.TypeFor[tailsamplingprocessor.Config]()) {
		if key == "policies" {
			continue
		}
		requireKnown(t, key+": "+zero(field))
	}
	policies := keys(reflect.TypeFor[tailsamplingprocessor.PolicyCfg]())
	require.Len(t, policies, 17, "15 types with settings, name and type")
	for kind, settings := range policies {
		if kind != "name" && kind != "type" {
			requireKnown(t, fmt.Sprintf("policies: [{name: a, type: %s, %s: %s}]", kind, kind, zero(settings)))
		}
	}
	for _, kind := range withoutSettings {
		requireKnown(t, fmt.Sprintf("policies: [{name: a, type: %s}]", kind))
	}
}

func TestTheGuideHasEveryPolicyAndOption(t *testing.T) {
	text, err := os.ReadFile(guide)
	require.NoError(t, err)
	for _, of := range []reflect.Type{reflect.TypeFor[tailsamplingprocessor.Config](), reflect.TypeFor[tailsamplingprocessor.PolicyCfg]()} {
		for key := range keys(of) {
			if key == "name" || key == "type" {
				continue
			}
			if !strings.Contains(string(text), "`"+key) {
				t.Errorf("%s is not in %s", key, guide)
			}
		}
	}
	for _, kind := range withoutSettings {
		if !strings.Contains(string(text), "### `"+kind+"`") {
			t.Errorf("%s is not in %s", kind, guide)
		}
	}
}

// requireKnown converts; a value may be wrong, a key must not be unknown.
func requireKnown(t *testing.T, text string) {
	t.Helper()
	_, err := tailconvert.Convert([]byte(text))
	if err != nil {
		require.NotContains(t, err.Error(), "unknown key", text)
		require.NotContains(t, err.Error(), "unknown type", text)
	}
}

// keys are the settings that a type is decoded from.
func keys(of reflect.Type) map[string]reflect.Type {
	all := map[string]reflect.Type{}
	for field := range of.Fields() {
		key, how, _ := strings.Cut(field.Tag.Get("mapstructure"), ",")
		switch {
		case how == "squash":
			for key, nested := range keys(field.Type) {
				all[key] = nested
			}
		case key != "" && key != "-":
			all[key] = field.Type
		}
	}
	return all
}

// zero writes a value with all that it can hold set, and nothing in lists.
func zero(of reflect.Type) string {
	switch of.Kind() {
	case reflect.Struct:
		var fields []string
		for key, field := range keys(of) {
			if key != "not_sub_policy" {
				fields = append(fields, key+": "+zero(field))
			}
		}
		return "{" + strings.Join(fields, ", ") + "}"
	case reflect.Slice:
		return "[]"
	case reflect.Bool:
		return "true"
	case reflect.Pointer, reflect.String:
		return "trace-complete"
	}
	return "1"
}
