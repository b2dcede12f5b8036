package apitest

import (
	"time"

	"github.com/otelcol-journey/otelcol-journey/extension/journeysextension/internal/api"
)

// shadow would store a fifth of what is stored, and lose the slow journeys.
func shadow() *api.Shadow {
	return &api.Shadow{
		Since: now.Add(-20 * time.Minute), Seconds: 1200, Currency: "USD",
		Decided: api.ShadowDecided{Journeys: 48_000, Failed: 1632, Spans: 634_920, Bytes: 346_011_400, PerMonth: some(227.47)},
		InUse: shadowSide(5_540, 1632, 79_368, 44_044_800, 28.96,
			shadowRule("failed", 1288, 1288, 20_608, 11_231_360, 7.38),
			shadowRule("incomplete", 344, 344, 3_784, 2_062_280, 1.36),
			shadowRule("slow", 288, 288, 4_320, 2_354_400, 1.55),
			shadowRule("checkout", 27_168, 2_716, 40_736, 23_130_560, 15.21),
			shadowRule("the rest", 18_912, 904, 9_920, 5_266_200, 3.46)),
		Shadow: shadowSide(2_561, 1632, 36_682, 19_991_690, 13.14,
			shadowRule("failed", 1288, 1288, 20_608, 11_231_360, 7.38),
			shadowRule("incomplete", 344, 344, 3_784, 2_062_280, 1.36),
			shadowRule("the rest", 46_368, 929, 12_290, 6_698_050, 4.40)),
		MustKeepLost: 282,
		Losses: []api.ShadowLoss{
			{Journey: "checkout", Outcome: "ok", Rule: "slow", MustKeep: true, Count: 271},
			{Journey: "gift card", Outcome: "ok", Rule: "slow", MustKeep: true, Count: 11},
		},
	}
}

func shadowSide(journeys, failed, spans, bytes int64, perMonth float64, rules ...api.ShadowRule) api.ShadowSide {
	return api.ShadowSide{
		Journeys: journeys, JourneysShare: some(float64(journeys) / 48_000), Failed: failed, FailedShare: some(float64(failed) / 1632),
		Spans: spans, SpansShare: some(float64(spans) / 634_920), Bytes: bytes, BytesShare: some(float64(bytes) / 346_011_400),
		PerMonth: some(perMonth), Rules: rules,
	}
}

func shadowRule(name string, matched, kept, spans, bytes int64, perMonth float64) api.ShadowRule {
	return api.ShadowRule{
		Name: name, Matched: matched, Kept: kept, Share: some(float64(kept) / float64(matched)), Spans: spans, Bytes: bytes,
		PerMonth: some(perMonth),
	}
}
