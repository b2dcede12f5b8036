package main

import (
	"bufio"
	"context"
	"encoding/json"
	"maps"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/consumer/consumertest"
	"go.opentelemetry.io/collector/processor"
	"go.uber.org/goleak"

	"github.com/otelcol-journey/otelcol-journey/cmd/plan/internal/plan"
	"github.com/otelcol-journey/otelcol-journey/processor/journeyprocessor"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// doc is what tests ask of the JSON.
type doc struct {
	Recording struct {
		WindowSeconds             float64 `json:"window_seconds"`
		Batches, Spans, OTLPBytes int64
	}
	With, Against *struct {
		Config   string
		Rows     []docRow
		Total    docPair
		Rest     docPair `json:"late_or_kept_in_any_case"`
		Expected []struct {
			Kind           string
			Exist, Dropped int64
		}
		Cost struct{ Received, Kept float64 } `json:"usd_a_month"`
	}
	Changes []struct {
		Journey     string
		Both        int64 `json:"kept_by_both"`
		OnlyAgainst int64 `json:"kept_by_against_only"`
		OnlyWith    int64 `json:"kept_by_with_only"`
		Neither     int64 `json:"kept_by_neither"`
	}
	Truth struct {
		MustKeep int64 `json:"must_keep"`
		Missing  int64 `json:"not_in_recording"`
	}
	Checks []struct {
		Passed bool
		Text   string
	}
}

type docRow struct {
	Journey, Rule  string
	Received, Kept docAmount
}

type docPair struct{ Received, Kept docAmount }

type docAmount struct {
	Journeys, Spans int64
	SpanBytes       int64 `json:"span_bytes"`
	LogRecords      int64 `json:"log_records"`
}

func read(t *testing.T, text string) (d doc) {
	t.Helper()
	require.NoError(t, json.Unmarshal([]byte(text), &d))
	return d
}

// decided are the traces of a decisions file and whether they are kept, by
// configuration.
func decided(t *testing.T, path string) map[string]map[string]bool {
	t.Helper()
	f, err := os.Open(path)
	require.NoError(t, err)
	defer f.Close()
	all := map[string]map[string]bool{}
	for lines := bufio.NewScanner(f); lines.Scan(); {
		var d struct {
			Config, TraceID string
			Trace           string `json:"trace_id"`
			Kept            bool
		}
		require.NoError(t, json.Unmarshal(lines.Bytes(), &d))
		if all[d.Config] == nil {
			all[d.Config] = map[string]bool{}
		}
		all[d.Config][d.Trace] = d.Kept
	}
	return all
}

// live runs a collector's processor on the same batches at the same times, and
// returns the traces that leave it.
func live(t *testing.T, config string, batches []batch) map[string]bool {
	t.Helper()
	c, err := plan.Load(t.Context(), []string{config}, "")
	require.NoError(t, err)
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1)) // one shard
	kept := map[string]bool{}
	synctest.Test(t, func(t *testing.T) {
		factory := journeyprocessor.NewFactory()
		settings := processor.Settings{ID: component.NewID(factory.Type()), TelemetrySettings: componenttest.NewNopTelemetrySettings()}
		next := &consumertest.TracesSink{}
		p, err := factory.CreateTraces(t.Context(), settings, c, next)
		require.NoError(t, err)
		began := time.Now()
		require.NoError(t, p.Start(t.Context(), componenttest.NewNopHost()))
		for _, b := range batches {
			if b.isLogs {
				continue
			}
			time.Sleep(time.Until(began.Add(b.at - batches[0].at)))
			synctest.Wait()
			require.NoError(t, p.ConsumeTraces(t.Context(), b.traces))
		}
		time.Sleep(time.Hour)
		require.NoError(t, p.Shutdown(context.Background()))
		for _, td := range next.AllTraces() {
			for _, rs := range td.ResourceSpans().All() {
				for _, span := range rs.ScopeSpans().At(0).Spans().All() {
					kept[span.TraceID().String()] = true
				}
			}
		}
	})
	return kept
}

func spansOnly(all []batch) []batch {
	return slices.DeleteFunc(slices.Clone(all), func(b batch) bool { return b.isLogs })
}

func TestThePlanIsWhatTheCollectorDoes(t *testing.T) {
	s := shop(1, 800, time.Minute)
	s.batches = spansOnly(s.batches)
	decisions := write(t, nil)
	text, _ := planned(t, exitOK, "-format", "json", "-decisions", decisions,
		"-config", "testdata/current.yaml", "-against", "testdata/thrifty.yaml", s.record(t))
	d := read(t, text)
	for _, side := range []struct {
		name string
		kept int64
	}{{"current.yaml", d.With.Total.Kept.Journeys}, {"thrifty.yaml", d.Against.Total.Kept.Journeys}} {
		want := live(t, "testdata/"+side.name, s.batches)
		got := decided(t, decisions)[side.name]
		require.Len(t, got, 800)
		maps.DeleteFunc(got, func(_ string, kept bool) bool { return !kept })
		require.Greater(t, len(want), 50)
		require.Equal(t, want, got, side.name)
		require.EqualValues(t, len(want), side.kept)
	}
}

func TestEverythingAddsUp(t *testing.T) {
	s := shop(2, 800, time.Minute)
	text, _ := planned(t, exitOK, "-format", "json", "-truth", s.tell(t),
		"-config", "testdata/thrifty.yaml", "-against", "testdata/current.yaml", s.record(t))
	d := read(t, text)
	require.EqualValues(t, len(s.batches), d.Recording.Batches)
	for _, side := range []struct {
		rows        []docRow
		total, rest docPair
	}{{d.With.Rows, d.With.Total, d.With.Rest}, {d.Against.Rows, d.Against.Total, d.Against.Rest}} {
		sum := side.rest
		for _, row := range side.rows {
			sum.Received, sum.Kept = plus(sum.Received, row.Received), plus(sum.Kept, row.Kept)
		}
		require.Equal(t, side.total, sum)
		require.EqualValues(t, 800, side.total.Received.Journeys)
		require.EqualValues(t, 800, side.total.Received.LogRecords)
		require.Equal(t, d.Recording.Spans, side.total.Received.Spans)
	}
	var both, onlyWith, onlyAgainst, neither int64
	for _, c := range d.Changes {
		both, onlyWith, onlyAgainst, neither = both+c.Both, onlyWith+c.OnlyWith, onlyAgainst+c.OnlyAgainst, neither+c.Neither
	}
	require.EqualValues(t, 800, both+onlyWith+onlyAgainst+neither)
	require.Equal(t, d.With.Total.Kept.Journeys, both+onlyWith)
	require.Equal(t, d.Against.Total.Kept.Journeys, both+onlyAgainst)
	require.Zero(t, d.Truth.Missing)
	lost := map[string][2]int64{}
	for _, e := range d.With.Expected {
		lost[e.Kind] = [2]int64{e.Dropped, e.Exist}
	}
	require.Equal(t, d.Truth.MustKeep, lost["truth"][1])
	require.Equal(t, lost["truth"], lost["error"], "the truth's must-keeps are those that fail")
	require.Positive(t, lost["error"][0])
	require.GreaterOrEqual(t, lost["before"][0], lost["error"][0])
	for _, e := range d.Against.Expected {
		require.Zero(t, e.Dropped, e.Kind)
	}
}

func plus(a, b docAmount) docAmount {
	return docAmount{a.Journeys + b.Journeys, a.Spans + b.Spans, a.SpanBytes + b.SpanBytes, a.LogRecords + b.LogRecords}
}

func TestLimitsDecideTheExitCode(t *testing.T) {
	recording := shop(3, 300, 30*time.Second).record(t)
	const drop = "yaml:processors: {journey: {sampling: {rules: [{name: none, keep: 0%}]}}}"
	for name, test := range map[string]struct {
		code int
		args []string
		says string
	}{
		"no limit":            {exitOK, nil, ""},
		"within all":          {exitOK, []string{"-max-spans", "10000", "-max-bytes", "10000000", "-max-share", "99%", "-max-money", "1000"}, ""},
		"too many spans":      {exitLimit, []string{"-max-spans", "1"}, "at most 1"},
		"too many bytes":      {exitLimit, []string{"-max-bytes", "1"}, "bytes sent"},
		"too large a share":   {exitLimit, []string{"-max-share", "0.5"}, "at most 0.50 %"},
		"too much money":      {exitLimit, []string{"-max-money", "0.01"}, "USD a month"},
		"no error is dropped": {exitOK, []string{"-keep", "error,must-keep"}, ""},
		"an error is dropped": {exitLost, []string{"-config", drop, "-keep", "error", "-max-growth", "0", "-against", drop}, "failed journeys dropped"},
		"too much growth":     {exitLimit, []string{"-against", "testdata/thrifty.yaml", "-max-growth", "5%"}, "% more than"},
		"less":                {exitOK, []string{"-config", drop, "-against", "testdata/thrifty.yaml", "-max-growth", "0"}, ""},
		"no longer kept":      {exitLost, []string{"-config", drop, "-against", "testdata/current.yaml", "-keep", "before"}, "so far must-keep"},
	} {
		t.Run(name, func(t *testing.T) {
			args := append([]string{"-config", "testdata/current.yaml"}, test.args...)
			_, stderr := planned(t, test.code, append(args, recording)...)
			require.Contains(t, stderr, test.says)
		})
	}
}

func TestConfigurationsAreReadAsTheCollectorReadsThem(t *testing.T) {
	recording := shop(4, 100, 10*time.Second).record(t)
	share := func(args ...string) float64 {
		text, _ := planned(t, exitOK, append(append([]string{"-format", "json"}, args...), recording)...)
		d := read(t, text)
		return float64(d.With.Total.Kept.Journeys) / float64(d.With.Total.Received.Journeys)
	}
	require.Less(t, share("-config", "testdata/current.yaml"), 0.6)
	require.InDelta(t, 1, share("-config", "testdata/current.yaml", "-config", "testdata/overlay.yaml"), 0)
	require.InDelta(t, 1, share("-config", "yaml:sampling: {rules: []}"), 0)
	t.Setenv("PLAN_TEST_KEEP", "100%")
	require.InDelta(t, 1, share("-config", "testdata/current.yaml"), 0)
}

func TestMistakesAreNamed(t *testing.T) {
	recording := shop(5, 3, time.Second).record(t)
	for name, test := range map[string]struct {
		code int
		args []string
		says string
	}{
		"help":                     {exitOK, []string{"-h"}, "exit code"},
		"no configuration":         {exitUsage, []string{recording}, "-config must be set"},
		"no recording":             {exitUsage, []string{"-config", "testdata/current.yaml"}, "a recording must be given"},
		"unknown format":           {exitUsage, []string{"-format", "xml", "-config", "x", recording}, "xml"},
		"a limit that is none":     {exitUsage, []string{"-max-spans", "many"}, "many"},
		"a kind that is none":      {exitUsage, []string{"-keep", "errors"}, "errors"},
		"growth against nothing":   {exitUsage, []string{"-max-growth", "1%", "-config", "x", recording}, "need -against"},
		"truth without a truth":    {exitUsage, []string{"-keep", "truth", "-config", "x", recording}, "needs -truth"},
		"no such configuration":    {exitInput, []string{"-config", "testdata/none.yaml", recording}, "none.yaml"},
		"an invalid configuration": {exitInput, []string{"-config", "yaml:journey: {sampling: {rules: [{name: a}]}}", recording}, "keep must be set"},
		"an unknown setting":       {exitInput, []string{"-config", "yaml:journey: {samplin: {}}", recording}, "samplin"},
		"another processor":        {exitInput, []string{"-config", "yaml:processors: {batch: {}}", recording}, "no journey processor"},
		"several processors":       {exitInput, []string{"-config", "yaml:processors: {journey: {}, journey/2: {}}", recording}, "journey, journey/2"},
		"a processor that is not":  {exitInput, []string{"-processor", "journey/3", "-config", "yaml:processors: {journey: {}}", recording}, `no processor "journey/3"`},
		"a block over a whole":     {exitInput, []string{"-config", "testdata/current.yaml", "-config", "testdata/thrifty.yaml", recording}, "beside processors"},
		"no such recording":        {exitInput, []string{"-config", "testdata/current.yaml", "testdata/none"}, "none"},
		"not a recording":          {exitInput, []string{"-config", "testdata/current.yaml", "testdata/current.yaml"}, "no file of the file exporter"},
		"not a truth":              {exitInput, []string{"-config", "testdata/current.yaml", "-truth", recording, recording}, "truth"},
		"decisions to no folder":   {exitInput, []string{"-config", "testdata/current.yaml", "-decisions", "testdata/none/x", recording}, "none"},
	} {
		t.Run(name, func(t *testing.T) {
			stdout, stderr := planned(t, test.code, test.args...)
			require.Contains(t, stderr, test.says)
			require.Empty(t, stdout)
		})
	}
	planned(t, exitOK, "-processor", "journey/2", "-config", "yaml:processors: {journey: {}, journey/2: {}}", recording)
}

// What a rule's warning says at the collector's start is said here, too.
func TestWarningsAreShown(t *testing.T) {
	_, stderr := planned(t, exitOK, "-config", "yaml:sampling: {rules: [{name: all, keep: 1%}, {name: failed, when: {outcome: error}, keep: 100%}]}", shop(6, 3, time.Second).record(t))
	require.Contains(t, stderr, "can never match")
}

func TestAnInterruptedPlanEnds(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var stdout, stderr strings.Builder
	code := run(ctx, []string{"-config", "testdata/current.yaml", shop(7, 2000, time.Minute).record(t)}, &stdout, &stderr)
	require.Equal(t, exitInput, code)
	require.Contains(t, stderr.String(), "context canceled")
}

func TestAnEmptyRecordingIsNoError(t *testing.T) {
	stdout, _ := planned(t, exitOK, "-config", "testdata/current.yaml", write(t, nil))
	require.Contains(t, stdout, "the recording is empty")
}
