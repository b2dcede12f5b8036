package compose

import (
	"maps"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/otelcol-journey/otelcol-journey/test/internal/grafana"
)

// source is a provisioned data source.
type source struct {
	UID, URL, Type string
	IsDefault      bool `yaml:"isDefault"`
	JSONData       struct {
		TimeInterval    string `yaml:"timeInterval"`
		TracesToMetrics struct {
			DatasourceUID string `yaml:"datasourceUid"`
		} `yaml:"tracesToMetrics"`
	} `yaml:"jsonData"`
}

func sources(t *testing.T) []source {
	t.Helper()
	var file struct{ Datasources []source }
	parse(t, "deploy/grafana/provisioning/datasources/datasources.yaml", &file)
	return file.Datasources
}

func dashboards(t *testing.T) map[string]grafana.Dashboard {
	t.Helper()
	all, err := grafana.Dashboards(root + "/deploy/grafana/dashboards")
	if err != nil {
		t.Fatal(err)
	}
	byUID := make(map[string]grafana.Dashboard)
	for _, d := range all {
		byUID[d.UID] = d
	}
	return byUID
}

// variable returns the one that a reference such as ${name} means.
func variable(d grafana.Dashboard, reference string) (grafana.Variable, bool) {
	name := strings.TrimSuffix(strings.TrimPrefix(reference, "${"), "}")
	i := slices.IndexFunc(d.Templating.List, func(v grafana.Variable) bool { return v.Name == name })
	if i < 0 {
		return grafana.Variable{}, false
	}
	return d.Templating.List[i], true
}

// A variable without a value chooses the first source of its type: there has to
// be exactly one.
func TestDashboardsChooseTheProvisionedSources(t *testing.T) {
	of := make(map[string][]string)
	for _, s := range sources(t) {
		of[s.Type] = append(of[s.Type], s.UID)
		if s.UID == "" || s.IsDefault != (s.Type == "prometheus") {
			t.Errorf("uid %q of %s, default: %t", s.UID, s.Type, s.IsDefault)
		}
	}
	for _, d := range dashboards(t) {
		for _, panel := range d.Panels {
			chosen, found := variable(d, panel.Datasource.UID)
			if !found || chosen.Type != "datasource" || chosen.Query != panel.Datasource.Type {
				t.Errorf("%s: %s asks %+v, which is chosen by %+v", d.File, panel.Title, panel.Datasource, chosen)
			}
			if uids := of[panel.Datasource.Type]; len(uids) != 1 {
				t.Errorf("%s: %s: data sources of type %s are %v", d.File, panel.Title, panel.Datasource.Type, uids)
			}
		}
	}
}

func TestTracesLeadToAProvisionedSource(t *testing.T) {
	all := sources(t)
	for _, s := range all {
		if s.Type != "jaeger" {
			continue
		}
		to := s.JSONData.TracesToMetrics.DatasourceUID
		if !slices.ContainsFunc(all, func(s source) bool { return s.UID == to && s.Type == "prometheus" }) {
			t.Errorf("traces lead to metrics of %q, which is no Prometheus", to)
		}
		return
	}
	t.Error("there is no Jaeger")
}

// Grafana makes the windows of rates as long as four scrapes.
func TestSourcesKnowHowOftenPrometheusScrapes(t *testing.T) {
	var config struct {
		Global struct {
			Every string `yaml:"scrape_interval"`
		}
	}
	parse(t, "deploy/grafana/prometheus/prometheus.yaml", &config)
	for _, s := range sources(t) {
		if s.Type == "prometheus" && s.JSONData.TimeInterval != config.Global.Every {
			t.Errorf("Prometheus scrapes every %s, the data source says %s", config.Global.Every, s.JSONData.TimeInterval)
		}
	}
}

// A file that is not mounted where the image looks is not read, and nobody says so.
func TestAllProvisioningIsWhereGrafanaLooks(t *testing.T) {
	const looks = "/etc/grafana/provisioning"
	service := withGrafana(t).Services["grafana"]
	if moved, set := settings(service)["GF_PATHS_PROVISIONING"]; set {
		t.Fatalf("it looks in %s", moved)
	}
	mounted := mounts(t, service)
	files, err := filepath.Glob(root + "/deploy/grafana/provisioning/*/*")
	if err != nil || len(files) == 0 {
		t.Fatalf("files %v: %v", files, err)
	}
	for _, file := range files {
		kind, name := filepath.Base(filepath.Dir(file)), filepath.Base(file)
		if got := mounted[path.Join(looks, kind, name)]; got != path.Join("deploy/grafana/provisioning", kind, name) {
			t.Errorf("at %s/%s/%s is %q", looks, kind, name, got)
		}
	}
	var providers struct {
		Providers []struct {
			Type           string
			AllowUIUpdates bool `yaml:"allowUiUpdates"`
			Options        struct{ Path string }
		}
	}
	parse(t, mounted[looks+"/dashboards/dashboards.yaml"], &providers)
	for _, provider := range providers.Providers {
		if provider.Type != "file" || provider.AllowUIUpdates {
			t.Errorf("%+v", provider)
		}
		for target := range mounted {
			if path.Dir(target) == provider.Options.Path && !strings.HasSuffix(target, ".json") {
				t.Errorf("%s is among the dashboards", target)
			}
		}
	}
}

var (
	dashboardLink = regexp.MustCompile(`^/d/([^?]+)\?(.*)$`)
	given         = regexp.MustCompile(`var-(\w+)=|\$\{(\w+):queryparam\}`)
)

// links are those of a dashboard's fields.
func links(d grafana.Dashboard) (urls []string) {
	for _, panel := range d.Panels {
		for _, link := range panel.FieldConfig.Defaults.Links {
			urls = append(urls, link.URL)
		}
		for _, override := range panel.FieldConfig.Overrides {
			for _, property := range override.Properties {
				list, _ := property.Value.([]any)
				for _, one := range list {
					if fields, ok := one.(map[string]any); ok && property.ID == "links" {
						link, _ := fields["url"].(string)
						urls = append(urls, link)
					}
				}
			}
		}
	}
	return urls
}

// A link to a dashboard names one, and variables that it has; one into Jaeger
// leads by default to where this Jaeger is published.
func TestLinksOfDashboardsLeadSomewhere(t *testing.T) {
	all, found := dashboards(t), 0
	for _, d := range all {
		for _, link := range links(d) {
			found++
			if match := dashboardLink.FindStringSubmatch(link); match != nil {
				for _, name := range given.FindAllStringSubmatch(match[2], -1) {
					if _, has := variable(all[match[1]], name[1]+name[2]); !has {
						t.Errorf("%s: %s: the dashboard %q has no variable %s", d.File, link, match[1], name[1]+name[2])
					}
				}
				continue
			}
			reference, rest, _ := strings.Cut(link, "/")
			jaeger, has := variable(d, reference)
			if !has || rest != "trace/${__value.raw}" {
				t.Errorf("%s: %s leads to nothing that is known here", d.File, link)
				continue
			}
			checkJaegerLink(t, jaeger)
		}
	}
	if found < 2 {
		t.Errorf("only %d links were found; is this test still looking at the right places?", found)
	}
}

func checkJaegerLink(t *testing.T, byDefault grafana.Variable) {
	t.Helper()
	text, _ := byDefault.Query.(string)
	address, err := url.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	ports := withGrafana(t).Services["jaeger"].Ports
	if !slices.ContainsFunc(ports, func(p types.ServicePortConfig) bool {
		return p.Published == address.Port() && p.Target == 16686
	}) {
		t.Errorf("links lead to %s, Jaeger's page is published at %v", address, ports)
	}
}

// What a service stores is on a volume: nothing else can be written.
func TestPrometheusAndGrafanaStoreOnVolumes(t *testing.T) {
	p := withGrafana(t)
	store := ""
	for _, argument := range p.Services["prometheus"].Command {
		if directory, found := strings.CutPrefix(argument, "--storage.tsdb.path="); found {
			store = directory
		}
	}
	for service, directory := range map[string]string{"prometheus": store, "grafana": "/var/lib/grafana"} {
		if !slices.ContainsFunc(p.Services[service].Volumes, func(v types.ServiceVolumeConfig) bool {
			return v.Type == types.VolumeTypeVolume && v.Target == directory && !v.ReadOnly
		}) {
			t.Errorf("%s stores in %q, which is no volume of it", service, directory)
		}
	}
}

// What is not in the profile does not wait for anything of it.
func TestTheProfileAddsServicesAndChangesNone(t *testing.T) {
	with, without := withGrafana(t), load(t, variants[0])
	var added []string
	for _, name := range slices.Sorted(maps.Keys(with.Services)) {
		service := with.Services[name]
		if _, there := without.Services[name]; !there {
			added = append(added, name)
			if !slices.Equal(service.Profiles, []string{"grafana"}) {
				t.Errorf("%s is in the profiles %v", name, service.Profiles)
			}
		}
	}
	if want := []string{"grafana", "prometheus"}; !slices.Equal(added, want) {
		t.Errorf("the profile adds %v", added)
	}
	for name := range without.Services {
		for other := range with.Services[name].DependsOn {
			if slices.Contains(added, other) {
				t.Errorf("%s waits for %s", name, other)
			}
		}
	}
}

// The comments and the documentation say where to look.
func TestPagesAreWhereTheDocumentsSay(t *testing.T) {
	services := withGrafana(t).Services
	for _, document := range []string{"docs/dashboards.md", "docker-compose.yaml"} {
		text, err := os.ReadFile(filepath.Join(root, document))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"grafana", "prometheus"} {
			for _, port := range services[name].Ports {
				if !strings.Contains(string(text), "http://localhost:"+port.Published) {
					t.Errorf("%s does not say that %s is at port %s", document, name, port.Published)
				}
			}
		}
	}
}
