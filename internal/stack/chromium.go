package stack

import (
	"context"
	"errors"
	"io"
)

// ErrNoChromium says that there is no browser on this machine, and that none
// may be installed.
var ErrNoChromium = errors.New("no Chromium to be had: install the package chromium, " +
	"or run this as root on Debian, where it is installed")

// Chromium returns the path of an installed Chromium, which it installs where
// it may.
func Chromium(ctx context.Context, log io.Writer) (string, error) {
	return installed(ctx, log, "chromium", ErrNoChromium, "chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
}
