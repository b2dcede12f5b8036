package compose

import (
	"fmt"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/otelcol-journey/otelcol-journey/demo-services/variables"
)

// listensOn are the service's ports by the host they are bound to.
func listensOn(t *testing.T, s types.ServiceConfig) map[string]string {
	t.Helper()
	var addresses []string
	switch {
	case s.Name == "rabbitmq": // AMQP and the management page of the image
		addresses = []string{"0.0.0.0:5672", "0.0.0.0:15672"}
	case s.Name == "prometheus": // where the images listen unless they are told
		addresses = []string{"0.0.0.0:9090"}
	case s.Name == "grafana":
		addresses = []string{"0.0.0.0:3000"}
	case isShop(s.Name):
		addresses = shopListeners(s)
	default:
		for _, file := range configurations(s.Name)[:1] {
			addresses = append(addresses, listeners(resolved(t, file, settings(s)))...)
		}
	}
	out := make(map[string]string)
	for _, address := range addresses {
		host, port, err := net.SplitHostPort(address)
		if err != nil {
			t.Fatalf("%s listens on %q: %v", s.Name, address, err)
		}
		out[port] = host
	}
	return out
}

// shopListeners are the values of the variables that say where a program listens.
func shopListeners(s types.ServiceConfig) []string {
	set := settings(s)
	var out []string
	for _, v := range variables.Of(s.Name) {
		if !slices.Contains([]string{"HTTP_ADDRESS", "GRPC_ADDRESS", "HEALTH_ADDRESS"}, v.Name) {
			continue
		}
		if value, given := set[v.Name]; given {
			out = append(out, value)
		} else {
			out = append(out, v.Default)
		}
	}
	return out
}

// reachable explains why nobody outside the container can call the port, or is "".
func reachable(t *testing.T, s types.ServiceConfig, port string) string {
	t.Helper()
	ports := listensOn(t, s)
	host, listens := ports[port]
	switch {
	case !listens:
		return fmt.Sprintf("%s does not listen on %s: %v", s.Name, port, ports)
	case host != "0.0.0.0":
		return fmt.Sprintf("%s listens on %s of %s only", s.Name, port, host)
	default:
		return ""
	}
}

func TestPublishedPortsAreListenedOn(t *testing.T) {
	eachService(t, func(t *testing.T, _ *types.Project, s types.ServiceConfig) {
		for _, port := range s.Ports {
			if why := reachable(t, s, strconv.Itoa(int(port.Target))); why != "" {
				t.Error(why)
			}
		}
	})
}

// forBrowsers is an address that a browser on the host follows.
const forBrowsers = "JAEGER_URL"

// Every value that names another service has to name a port it listens on.
func TestServicesFindEachOther(t *testing.T) {
	// Only the overlay of its own profile reads it.
	elsewhere := map[string][]string{"JAEGER_ALL_OTLP_ENDPOINT": {"default", "grafana"}}
	eachVariant(t, func(t *testing.T, v variant, p *types.Project) {
		found := 0
		for _, service := range p.Services {
			for name, value := range settings(service) {
				host, port, ok := target(name, value, settings(service))
				if !ok || slices.Contains(elsewhere[name], v.name) || name == forBrowsers {
					continue
				}
				found++
				other, exists := p.Services[host]
				if !exists {
					t.Errorf("%s: %s=%s names no service", service.Name, name, value)
				} else if why := reachable(t, other, port); why != "" {
					t.Errorf("%s: %s=%s, but %s", service.Name, name, value, why)
				}
			}
		}
		if found < 12 {
			t.Errorf("only %d addresses were found; is this test still looking at the right values?", found)
		}
	})
}

// target is the other service and its port, if the value is an address of one.
func target(name, value string, set map[string]string) (host, port string, ok bool) {
	if name == "RABBITMQ_HOST" {
		port = set["RABBITMQ_PORT"]
		if port == "" {
			port = "5672"
		}
		return value, port, true
	}
	if strings.Contains(value, "://") {
		u, err := url.Parse(value)
		if err != nil {
			return "", "", false
		}
		value = u.Host
	}
	host, port, err := net.SplitHostPort(value)
	if err != nil || host == "0.0.0.0" {
		return "", "", false
	}
	return host, port, true
}

// A health check that asks the wrong port keeps everything from starting.
func TestHealthChecksAskTheRightPort(t *testing.T) {
	eachService(t, func(t *testing.T, _ *types.Project, s types.ServiceConfig) {
		if !checksHealth(s) || isShop(s.Name) || s.Name == "rabbitmq" {
			return // these ask themselves
		}
		u, err := url.Parse(s.HealthCheck.Test[len(s.HealthCheck.Test)-1])
		if err != nil {
			t.Fatal(err)
		}
		if _, listens := listensOn(t, s)[u.Port()]; !listens {
			t.Errorf("the check asks %s, but %s listens on %v", u, s.Name, listensOn(t, s))
		}
	})
}
