package page

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/otelcol-journey/otelcol-journey/internal/journey"
)

// shadow would keep less of the rest, and lose the slow journeys and one that
// failed.
func (n *names) shadow(since time.Duration) *journey.Shadow {
	return &journey.Shadow{
		Since: time.Now().Add(-since), Rules: []string{n.rule, "slow", "the rest"}, ShadowRules: []string{n.rule, "gift cards", "less of the rest"},
		Tallies: []journey.ShadowTally{
			{Journey: n.journey, Outcome: "error", Rule: n.rule, MustKeep: true, Kept: true, ShadowRule: n.rule, ShadowKept: true, Journeys: 1299, Spans: 20_608, Bytes: 11_231_360},
			{Journey: n.journey, Outcome: "error", Rule: n.rule, MustKeep: true, Kept: true, ShadowRule: "less of the rest", Journeys: 1, Spans: 9, Bytes: 4905},
			{Journey: n.journey, Outcome: "ok", Rule: "slow", MustKeep: true, Kept: true, ShadowRule: "less of the rest", Journeys: 282, Spans: 4230, Bytes: 2_305_350},
			{Journey: n.journey, Outcome: "ok", Rule: "the rest", Kept: true, ShadowRule: "less of the rest", ShadowKept: true, Journeys: 929, Spans: 12_290, Bytes: 6_698_050},
			{Journey: n.other, Outcome: "ok", Rule: "the rest", Kept: true, ShadowRule: "less of the rest", Journeys: 2691, Spans: 38_366, Bytes: 21_698_710},
			{Journey: n.other, Outcome: "ok", Rule: "the rest", ShadowRule: "less of the rest", Journeys: 42_798, Spans: 559_417, Bytes: 304_073_025},
		},
	}
}

func TestTheShadowStandsBesideWhatIsInUse(t *testing.T) {
	t.Parallel()
	s := setUp(t).attach().decide(&shopNames)
	v := s.open(desk, "#/live")
	answer := s.api("live")["processors"].([]any)[0].(map[string]any)["shadow"].(map[string]any)
	shown := v.figures("#shadow-of-0 .versus")
	for side, name := range map[string]string{"decided": "decided", "in-use": "in_use", "shadow": "shadow"} {
		for _, measure := range []string{"journeys", "failed", "spans", "bytes"} {
			require.InDelta(t, of(t, answer, name, measure), shown[side+"."+measure], 0, "%s of %s", measure, side)
		}
		require.Positive(t, shown[side+".per_month"], side)
	}
	for selector, words := range map[string][]string{
		"#shadow-of-0":              {"counts for 20" + thin + "min", "would lose 283 must-keep journeys", "would lose 1 failed journey"},
		"[data-measure=journeys]":   {"5" + thin + "202", "10.8" + thin + "%", "2" + thin + "228", "4.6" + thin + "%", "−2" + thin + "974", "−57.2" + thin + "%"},
		"[data-measure=failed]":     {"of 1" + thin + "300", "1" + thin + "299", "−1"},
		"[data-measure=per_month]":  {"$"},
		"#shadow-in-use-0":          {"slow", "282 of 282", "3" + thin + "620 of 46.4" + thin + "k"},
		"#shadow-shadow-0":          {"gift cards", "0 of 0", "less of the rest", "929 of 46.7" + thin + "k"},
		"#shadow-losses-0":          {"checkout", "slow", "which keeps all that it matches", "282", "error"},
		"#shadow-losses-0 tbody tr": {"282"},
	} {
		for _, part := range words {
			require.Contains(t, v.text(selector), part, selector)
		}
	}
	v.GoTo("#/journeys")
	require.Contains(t, v.text(".shadow-line"), "The shadow would store 5.2"+thin+"% of spans instead of 11.9"+thin+"%")
	require.Contains(t, v.text(".shadow-line"), "would lose 283 must-keep journeys")
}

func TestAShadowThatLosesNothingSaysSo(t *testing.T) {
	t.Parallel()
	s := setUp(t).attach().decide(&shopNames)
	s.processor.cast(func(is *journey.Shadow) {
		is.Tallies = is.Tallies[3:]
		is.Since = time.Now().Add(-5 * time.Second)
	})
	v := s.open(phone, "#/live")
	v.Await("the verdict", "document.querySelector('#shadow-of-0').innerText.includes('would lose none that must be kept')")
	require.Contains(t, v.text("#shadow-of-0"), "known once a minute is covered")
	require.NotContains(t, v.text("#shadow-of-0"), "$")
	require.Equal(t, 0, v.number("document.querySelectorAll('#shadow-losses-0').length"))
	s.processor.cast(func(is *journey.Shadow) { is.Tallies = nil })
	v.Await("nothing yet", "document.querySelector('#shadow-of-0').innerText.includes('nothing was decided yet')")
	v.RequireFits("a shadow of nothing")
}

func TestWithoutAShadowNothingIsSaidOfOne(t *testing.T) {
	t.Parallel()
	s := setUp(t).attach().decide(&shopNames)
	s.processor.mu.Lock()
	s.processor.shadow = nil
	s.processor.mu.Unlock()
	v := s.open(desk, "#/live")
	require.NotContains(t, v.text("#page"), "hadow")
	v.GoTo("#/journeys")
	require.NotContains(t, v.text("#page"), "hadow")
}

// cast changes the shadow.
func (p *processor) cast(change func(*journey.Shadow)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	is := *p.shadow
	change(&is)
	p.shadow = &is
}

// After a start a month would follow from seconds: the page says why there is
// no amount, and shows it as soon as there is one.
func TestMoneyAMonthWaitsForAMinute(t *testing.T) {
	t.Parallel()
	s := setUp(t).attach().report(shop)
	v := s.open(desk, "#/journeys")
	require.Contains(t, v.text("[data-kpi=saved]"), "known once a minute is covered")
	require.NotContains(t, v.text("[data-kpi=saved] .kpi-value"), "$")
	require.NotContains(t, v.text("#journeys-table tbody .c-saved"), "$")
	v.ShotWhole("first-minute")
	v.GoTo(journeyLink("checkout"))
	require.Contains(t, v.text("[data-kpi=saved]"), "known once a minute is covered")

	overview, table := s.api("overview"), s.api("journeys")
	money := overview["money"].(map[string]any)
	money["received_per_month"], money["stored_per_month"], money["saved_per_month"] = 224.22, 28.54, 195.68
	table["rows"].([]any)[0].(map[string]any)["saved_per_month"] = 126.71
	s.front.answer("/overview", overview)
	s.front.answer("/journeys", table)
	v.GoTo("#/journeys")
	v.Await("the amount", "document.querySelector('[data-kpi=saved]').innerText.includes('$195.68')")
	require.InDelta(t, 28.54, v.figures("[data-kpi=saved]")["money.stored"], 0)
	require.Contains(t, v.text("#journeys-table tbody tr"), "$126.71")
}
