package stack

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
)

// ErrNoChromium says that there is no browser on this machine, and that none
// may be installed.
var ErrNoChromium = errors.New("no Chromium to be had: install the package chromium, " +
	"or run this as root on Debian, where it is installed")

// Chromium returns the path of an installed Chromium, which it installs where
// it may. One run at a time installs.
func Chromium(ctx context.Context, log io.Writer) (string, error) {
	installing.Lock()
	defer installing.Unlock()
	if path := installedChromium(); path != "" {
		return path, nil
	}
	if !canInstall() {
		return "", ErrNoChromium
	}
	if err := installPackage(ctx, "chromium", log); err != nil {
		return "", err
	}
	if path := installedChromium(); path != "" {
		return path, nil
	}
	return "", fmt.Errorf("apt-get installed chromium, but it is not found: %w", ErrNoChromium)
}

func installedChromium() string {
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "google-chrome-stable"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	return ""
}
