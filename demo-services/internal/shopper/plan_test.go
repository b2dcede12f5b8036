package shopper

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/otelcol-journey/otelcol-journey/demo-services/internal/catalog"
	"github.com/otelcol-journey/otelcol-journey/demo-services/internal/env"
)

func settings(t *testing.T, args ...string) Settings {
	t.Helper()
	s, err := ParseSettings(args, func(string) (string, bool) { return "", false })
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func count(plan []Visit) map[line]int {
	counts := map[line]int{}
	for _, v := range plan {
		counts[line{v.Journey, v.Class}]++
	}
	return counts
}

func TestTheDefaultPlanHasTheStatedShares(t *testing.T) {
	s := settings(t)
	plan, err := Plan(s.total(), s.Mix, s.Seed)
	if err != nil {
		t.Fatal(err)
	}
	want := map[line]int{
		{Checkout, OK}: 1440 - 29 - 14 - 10 - 3*6, {Checkout, Failed}: 29, {Checkout, Slow}: 14, {Checkout, Retried}: 10,
		{Checkout, DeadLettered}: 6, {Checkout, Unroutable}: 6, {Checkout, Lost}: 6,
		{OrderHistory, OK}: 706, {OrderHistory, Failed}: 14, {Restock, OK}: 192, {GiftCard, OK}: 48,
	}
	if got := count(plan); !reflect.DeepEqual(got, want) {
		t.Errorf("plan of %d:\n%v, want\n%v", len(plan), got, want)
	}
}

func TestEveryClassOccursInAShortRun(t *testing.T) {
	s := settings(t)
	for n := 30; n < 400; n++ {
		plan, err := Plan(n, s.Mix, s.Seed)
		if err != nil {
			t.Fatalf("%d visits: %v", n, err)
		}
		if len(plan) != n || len(count(plan)) != 11 {
			t.Errorf("%d visits: plan of %d with %d classes, want 11", n, len(plan), len(count(plan)))
		}
	}
}

func TestTooFewVisitsForTheSharesIsAnError(t *testing.T) {
	s := settings(t)
	if _, err := Plan(5, s.Mix, s.Seed); err == nil || !strings.Contains(err.Error(), "too few") {
		t.Errorf("error %v, want one that says too few", err)
	}
}

func TestASeedFixesThePlan(t *testing.T) {
	s := settings(t)
	plan := func(seed int64) []Visit {
		p, err := Plan(500, s.Mix, seed)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	if !reflect.DeepEqual(plan(7), plan(7)) {
		t.Error("two plans of one seed differ")
	}
	if reflect.DeepEqual(plan(7), plan(8)) {
		t.Error("two plans of two seeds are the same")
	}
}

func TestAVisitBringsItsClassAbout(t *testing.T) {
	s := settings(t)
	plan, err := Plan(2400, s.Mix, s.Seed)
	if err != nil {
		t.Fatal(err)
	}
	prices := catalog.Prices()
	for _, v := range plan {
		for _, item := range v.Items {
			if prices[item] == 0 {
				t.Fatalf("%+v has an article that is not sold", v)
			}
		}
		special := 0
		for _, article := range trouble {
			if catalog.Has(v.Items, article) {
				special++
			}
		}
		if want := v.Journey == Checkout && v.Class != OK; (special == 1) != want {
			t.Errorf("%+v has %d articles with an effect", v, special)
		}
		if v.Journey == OrderHistory && (v.User == "999") != (v.Class == Failed) {
			t.Errorf("%+v", v)
		}
	}
}

func TestSharesThatMakeNoSense(t *testing.T) {
	tests := [][]string{
		{"-shares", "checkout=50"},
		{"-shares", "checkout=50,party=50"},
		{"-shares", "checkout=120"},
		{"-checkout-classes", "late=1"},
		{"-order-history-classes", "slow=1"},
		{"-rate", "fast"},
		{"-duration", "10"},
		{"extra"},
	}
	for _, args := range tests {
		if _, err := ParseSettings(args, func(string) (string, bool) { return "", false }); err == nil {
			t.Errorf("%q: no error", args)
		}
	}
}

func TestAFlagGoesBeforeItsVariable(t *testing.T) {
	environment := map[string]string{"SHOPPER_RATE": "10", "SHOPPER_SEED": "5"}
	s, err := ParseSettings([]string{"-rate", "20"}, func(name string) (string, bool) {
		value, ok := environment[name]
		return value, ok
	})
	if err != nil {
		t.Fatal(err)
	}
	if s.JourneysPerSec != 20 || s.Seed != 5 {
		t.Errorf("rate %g and seed %d, want 20 and 5", s.JourneysPerSec, s.Seed)
	}
}

func TestTheTruthOfEveryClass(t *testing.T) {
	tests := []struct {
		journey, class, outcome string
		mustKeep                bool
	}{
		{Checkout, OK, "ok", false},
		{Checkout, Slow, "ok", true},
		{Checkout, Failed, "error", true},
		{Checkout, Retried, "error", true},
		{Checkout, DeadLettered, "error", true},
		{Checkout, Unroutable, "incomplete", true},
		{Checkout, Lost, "incomplete", true},
		{OrderHistory, OK, "ok", false},
		{OrderHistory, Failed, "error", true},
		{Restock, OK, "ok", false},
		{GiftCard, OK, "ok", true},
	}
	for _, tt := range tests {
		v := Visit{Journey: tt.journey, Class: tt.class}
		r := record(Answer{Visit: v, Status: expected(v), Took: 2e9})
		if r.Class != tt.class || r.Outcome != tt.outcome || r.MustKeep != tt.mustKeep {
			t.Errorf("%s %s: %+v", tt.journey, tt.class, r)
		}
	}
	r := record(Answer{Visit: Visit{Journey: Checkout, Class: OK}, Status: 500})
	if r.Class != Unplanned || r.Outcome != "error" || !r.MustKeep {
		t.Errorf("a failure nobody planned: %+v", r)
	}
	r = record(Answer{Visit: Visit{Journey: Checkout, Class: Failed}, Status: 202})
	if r.Class != Unplanned || r.Outcome != "unknown" || r.MustKeep {
		t.Errorf("a success nobody planned: %+v", r)
	}
}

func TestATruthLineIsAsPromised(t *testing.T) {
	line, err := json.Marshal(Record{TraceID: "0af7651916cd43dd8448eb211c80319c", Journey: Checkout, Class: Failed, Outcome: "error", MustKeep: true})
	if err != nil {
		t.Fatal(err)
	}
	want := `{"trace_id":"0af7651916cd43dd8448eb211c80319c","journey":"checkout","class":"failed","outcome":"error","must_keep":true,"at":"0001-01-01T00:00:00Z","spans":0}`
	if string(line) != want {
		t.Errorf("line %s, want %s", line, want)
	}
}

func FuzzQuotasAddUp(f *testing.F) {
	f.Add(uint16(2400), "a=60,b=30,c=8,d=2")
	f.Add(uint16(3), "a=1,b=1")
	f.Fuzz(func(t *testing.T, n uint16, text string) {
		shares, err := env.ParseShares(text)
		if err != nil {
			return
		}
		shares = withOK(shares)
		counts, err := quotas(int(n), shares)
		if err != nil {
			return
		}
		sum := 0
		for i, c := range counts {
			if c < 0 || n > 0 && c == 0 && shares[i].Percent > 0 {
				t.Errorf("%d by %q: share %s gets %d", n, text, shares[i].Name, c)
			}
			sum += c
		}
		if sum != int(n) {
			t.Errorf("%d by %q: counts %v add up to %d", n, text, counts, sum)
		}
	})
}
