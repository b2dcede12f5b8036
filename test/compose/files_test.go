package compose

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/types"
)

func TestEveryMountedFileExists(t *testing.T) {
	eachService(t, func(t *testing.T, p *types.Project, s types.ServiceConfig) {
		for _, volume := range s.Volumes {
			switch volume.Type {
			case types.VolumeTypeBind:
				checkBind(t, volume)
			case types.VolumeTypeVolume:
				if _, declared := p.Volumes[volume.Source]; !declared {
					t.Errorf("volume %q is not declared", volume.Source)
				}
			default:
				t.Errorf("%s is mounted as %q, which nothing here checks", volume.Target, volume.Type)
			}
		}
	})
}

// checkBind wants a file: Docker makes an empty folder of a missing one.
func checkBind(t *testing.T, volume types.ServiceVolumeConfig) {
	t.Helper()
	info, err := os.Stat(volume.Source)
	if err != nil {
		t.Errorf("mounted at %s: %v", volume.Target, err)
		return
	}
	if !info.Mode().IsRegular() {
		t.Errorf("%s is mounted at %s and is not a file", volume.Source, volume.Target)
	}
	if !volume.ReadOnly {
		t.Errorf("%s is mounted at %s for writing", volume.Source, volume.Target)
	}
}

func TestWhatIsBuiltCanBeBuilt(t *testing.T) {
	eachService(t, func(t *testing.T, _ *types.Project, s types.ServiceConfig) {
		if s.Build == nil {
			return
		}
		dockerfile := filepath.Join(s.Build.Context, s.Build.Dockerfile)
		text, err := os.ReadFile(dockerfile)
		if err != nil {
			t.Fatal(err)
		}
		for name, value := range s.Build.Args {
			if !strings.Contains(string(text), "ARG "+name) {
				t.Errorf("%s has no argument %s", dockerfile, name)
			}
			if program := filepath.Join(s.Build.Context, "cmd", *value); name == "SERVICE" {
				if _, err := os.Stat(program); err != nil {
					t.Errorf("the program of %s: %v", s.Name, err)
				}
			}
		}
	})
}

func TestCollectorReadsWhatIsMounted(t *testing.T) {
	eachVariant(t, func(t *testing.T, v variant, p *types.Project) {
		mounted := make(map[string]string)
		for _, volume := range p.Services["collector"].Volumes {
			mounted[volume.Target] = volume.Source
		}
		var read []string
		for _, argument := range p.Services["collector"].Command {
			target, found := strings.CutPrefix(argument, "--config=")
			if !found {
				t.Errorf("unknown argument %q", argument)
			}
			read = append(read, mounted[target])
		}
		for i, want := range []string{"otelcol-config.yaml", v.overlay} {
			want, err := filepath.Abs(filepath.Join(root, want))
			if err != nil {
				t.Fatal(err)
			}
			if i >= len(read) || read[i] != want {
				t.Errorf("configuration %d of %q should be %s", i, read, want)
			}
		}
	})
}
