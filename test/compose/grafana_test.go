package compose

import (
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/types"
	"go.yaml.in/yaml/v3"

	"github.com/otelcol-journey/otelcol-journey/test/internal/grafana"
)

// grafanaSettings are the variables that the image reads, each GF_SECTION_KEY of
// its settings file. Grafana itself says nothing about one that it does not know.
var grafanaSettings = map[string][]string{"grafana": {
	"GF_ANALYTICS_CHECK_FOR_PLUGIN_UPDATES", "GF_ANALYTICS_CHECK_FOR_UPDATES", "GF_ANALYTICS_REPORTING_ENABLED",
	"GF_AUTH_ANONYMOUS_ENABLED", "GF_AUTH_ANONYMOUS_ORG_ROLE", "GF_AUTH_BASIC_ENABLED", "GF_AUTH_DISABLE_LOGIN_FORM",
	"GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH", "GF_NEWS_NEWS_FEED_ENABLED", "GF_PLUGINS_PREINSTALL_DISABLED",
	"GF_SECURITY_DISABLE_INITIAL_ADMIN_CREATION", "GF_SNAPSHOTS_EXTERNAL_ENABLED",
}}

// withGrafana is the project with the profile grafana.
func withGrafana(t *testing.T) *types.Project {
	t.Helper()
	i := slices.IndexFunc(variants, func(v variant) bool { return v.name == "grafana" })
	return load(t, variants[i])
}

func TestGrafanaIsForLookingOnly(t *testing.T) {
	set := settings(withGrafana(t).Services["grafana"])
	for name, want := range map[string]string{
		"GF_AUTH_ANONYMOUS_ENABLED": "true", "GF_AUTH_ANONYMOUS_ORG_ROLE": "Viewer",
		"GF_AUTH_BASIC_ENABLED": "false", "GF_AUTH_DISABLE_LOGIN_FORM": "true",
		"GF_SECURITY_DISABLE_INITIAL_ADMIN_CREATION": "true",
	} {
		if set[name] != want {
			t.Errorf("%s is %q, not %q", name, set[name], want)
		}
	}
}

// mounts are the files of the repository by their place in the container.
func mounts(t *testing.T, s types.ServiceConfig) map[string]string {
	t.Helper()
	folder, err := filepath.Abs(root)
	if err != nil {
		t.Fatal(err)
	}
	out := make(map[string]string)
	for _, volume := range s.Volumes {
		if file, err := filepath.Rel(folder, volume.Source); err == nil && volume.Type == types.VolumeTypeBind {
			out[volume.Target] = filepath.ToSlash(file)
		}
	}
	return out
}

func TestEveryDashboardIsShown(t *testing.T) {
	service := withGrafana(t).Services["grafana"]
	mounted := mounts(t, service)
	var provider struct {
		Providers []struct {
			Options struct{ Path string }
		}
	}
	parse(t, mounted["/etc/grafana/provisioning/dashboards/dashboards.yaml"], &provider)
	dashboards, err := grafana.Dashboards(root + "/deploy/grafana/dashboards")
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range dashboards {
		target := provider.Providers[0].Options.Path + "/" + d.File
		if mounted[target] != "deploy/grafana/dashboards/"+d.File {
			t.Errorf("%s is not mounted at %s: %v", d.File, target, mounted)
		}
	}
	if home := settings(service)["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]; mounted[home] == "" {
		t.Errorf("the home dashboard %q is no file of the container", home)
	}
}

func TestPrometheusReadsWhatIsMounted(t *testing.T) {
	service := withGrafana(t).Services["prometheus"]
	mounted := mounts(t, service)
	file := ""
	for _, argument := range service.Command {
		if target, found := strings.CutPrefix(argument, "--config.file="); found {
			file = mounted[target]
		}
	}
	var config prometheusConfig
	parse(t, file, &config)
	for _, rules := range config.RuleFiles {
		if mounted[rules] == "" {
			t.Errorf("the rules %s are no file of the container: %v", rules, mounted)
		}
	}
	if len(config.RuleFiles) == 0 {
		t.Error("no rules")
	}
}

type prometheusConfig struct {
	RuleFiles []string `yaml:"rule_files"`
	Scrape    []struct {
		Job     string `yaml:"job_name"`
		Targets []struct {
			Targets []string `yaml:"targets"`
		} `yaml:"static_configs"`
	} `yaml:"scrape_configs"`
}

func TestPrometheusAndGrafanaFindTheOthers(t *testing.T) {
	p := withGrafana(t)
	var config prometheusConfig
	parse(t, "deploy/grafana/prometheus/prometheus.yaml", &config)
	var addresses []string
	for _, job := range config.Scrape {
		for _, target := range job.Targets {
			addresses = append(addresses, target.Targets...)
		}
	}
	var sources struct {
		Datasources []struct{ UID, URL, Type string }
	}
	parse(t, "deploy/grafana/provisioning/datasources/datasources.yaml", &sources)
	var types []string
	for _, source := range sources.Datasources {
		u, err := url.Parse(source.URL)
		if err != nil {
			t.Fatal(err)
		}
		addresses, types = append(addresses, u.Host), append(types, source.Type)
	}
	if want := []string{"prometheus", "jaeger"}; !slices.Equal(types, want) || len(addresses) != 3 {
		t.Errorf("data sources are %v, addresses %v", types, addresses)
	}
	for _, address := range addresses {
		name, port, _ := strings.Cut(address, ":")
		service, exists := p.Services[name]
		if !exists {
			t.Errorf("%s names no service", address)
		} else if why := reachable(t, service, port); why != "" {
			t.Error(why)
		}
	}
}

// The data source asks Prometheus from a trace, with a label for its journey.
func TestTracesLeadToMetricsThatExist(t *testing.T) {
	known, err := grafana.Metrics(root)
	if err != nil {
		t.Fatal(err)
	}
	var sources struct {
		Datasources []struct {
			JSONData struct {
				TracesToMetrics struct {
					DatasourceUID string
					Tags          []struct{ Key, Value string }
					Queries       []struct{ Query string }
				} `yaml:"tracesToMetrics"`
			} `yaml:"jsonData"`
		}
	}
	parse(t, "deploy/grafana/provisioning/datasources/datasources.yaml", &sources)
	link := sources.Datasources[1].JSONData.TracesToMetrics
	if len(link.Queries) == 0 || len(link.Tags) != 1 {
		t.Fatalf("the traces lead nowhere: %+v", link)
	}
	for _, query := range link.Queries {
		expr := strings.ReplaceAll(query.Query, "$$__tags", link.Tags[0].Value+`="checkout"`)
		uses, err := grafana.Uses(expr)
		if err != nil {
			t.Fatal(err)
		}
		for _, use := range uses {
			if metric := known[grafana.Base(use.Metric)]; !slices.Contains(metric.Labels, link.Tags[0].Value) {
				t.Errorf("%s has no label %s", use.Metric, link.Tags[0].Value)
			}
		}
	}
}

func parse(t *testing.T, file string, into any) {
	t.Helper()
	if err := yaml.Unmarshal([]byte(readFile(t, file)), into); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
}
