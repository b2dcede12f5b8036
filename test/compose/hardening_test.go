package compose

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/types"
)

// versioned has at least two numbers in the tag, so that a rebuild next year is the same.
var versioned = regexp.MustCompile(`^[^:@]+:v?\d+\.\d+[\w.-]*$`)

func TestImagesArePinned(t *testing.T) {
	eachService(t, func(t *testing.T, _ *types.Project, s types.ServiceConfig) {
		if !versioned.MatchString(s.Image) {
			t.Errorf("image %q has no version", s.Image)
		}
		if s.Build == nil {
			return
		}
		for _, image := range baseImages(t, filepath.Join(s.Build.Context, s.Build.Dockerfile)) {
			if image != "scratch" && !versioned.MatchString(image) {
				t.Errorf("base image %q has no version", image)
			}
		}
	})
}

var from = regexp.MustCompile(`(?m)^FROM (?:--platform=\S+ )?(\S+)`)

func baseImages(t *testing.T, dockerfile string) []string {
	t.Helper()
	text, err := os.ReadFile(dockerfile)
	if err != nil {
		t.Fatal(err)
	}
	var images []string
	for _, match := range from.FindAllStringSubmatch(string(text), -1) {
		images = append(images, match[1])
	}
	if len(images) == 0 {
		t.Fatalf("%s has no base image", dockerfile)
	}
	return images
}

func TestNobodyIsOrBecomesRoot(t *testing.T) {
	eachService(t, func(t *testing.T, _ *types.Project, s types.ServiceConfig) {
		if user, _, _ := strings.Cut(s.User, ":"); user == "" || user == "root" || user == "0" {
			t.Errorf("user is %q", s.User)
		}
		if !slices.Equal(s.CapDrop, []string{"ALL"}) || len(s.CapAdd) != 0 || s.Privileged {
			t.Errorf("capabilities are not dropped: cap_drop %v, cap_add %v, privileged %v", s.CapDrop, s.CapAdd, s.Privileged)
		}
		if !slices.Contains(s.SecurityOpt, "no-new-privileges:true") {
			t.Errorf("security_opt is %v", s.SecurityOpt)
		}
		// RabbitMQ's start scripts write beside its settings.
		if !s.ReadOnly && s.Name != "rabbitmq" {
			t.Error("the root file system can be written")
		}
	})
}

func TestEveryServiceStaysWithinBounds(t *testing.T) {
	eachService(t, func(t *testing.T, _ *types.Project, s types.ServiceConfig) {
		if s.MemLimit == 0 {
			t.Error("no memory limit")
		}
		if s.Restart != types.RestartPolicyUnlessStopped {
			t.Errorf("restart is %q", s.Restart)
		}
	})
}

func TestHealthIsKnownWhereSomebodyWaitsForIt(t *testing.T) {
	eachService(t, func(t *testing.T, p *types.Project, s types.ServiceConfig) {
		if s.Name != "shopper" && !checksHealth(s) {
			t.Error("no health check")
		}
		for name, dependency := range s.DependsOn {
			other, exists := p.Services[name]
			switch {
			case !exists && dependency.Required:
				t.Errorf("depends on %s, which does not exist", name)
			case exists && dependency.Condition != types.ServiceConditionHealthy:
				t.Errorf("waits for %s to be %s", name, dependency.Condition)
			case exists && !checksHealth(other):
				t.Errorf("waits for the health of %s, which has no health check", name)
			}
		}
	})
}

func checksHealth(s types.ServiceConfig) bool {
	return s.HealthCheck != nil && !s.HealthCheck.Disable && len(s.HealthCheck.Test) > 1 && s.HealthCheck.Test[0] == "CMD"
}

func TestPortsArePublishedOnLoopbackOnly(t *testing.T) {
	eachVariant(t, func(t *testing.T, _ variant, p *types.Project) {
		owner := make(map[string]string)
		for name, service := range p.Services {
			for _, port := range service.Ports {
				if port.HostIP != "127.0.0.1" {
					t.Errorf("%s publishes %d on %q", name, port.Target, port.HostIP)
				}
				if other, taken := owner[port.Published]; taken {
					t.Errorf("%s and %s both publish %s", name, other, port.Published)
				}
				owner[port.Published] = name
			}
		}
	})
}
