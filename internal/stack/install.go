package stack

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"time"
)

// policyFile is asked by Debian's packages before they start a service
// (invoke-rc.d(8), deb-systemd-invoke(1p)); exit code 101 forbids it.
const policyFile = "/usr/sbin/policy-rc.d"

// canInstall says whether apt-get may be used: Debian or Ubuntu, as root.
func canInstall() bool {
	if runtime.GOOS != "linux" || os.Geteuid() != 0 {
		return false
	}
	_, err := exec.LookPath("apt-get")
	return err == nil
}

// installing is held while the package is looked for and installed: of several
// brokers that are started at once, one installs it and the others find it, and
// none finds it half installed.
var installing sync.Mutex

// server returns the directory of the server's scripts, installing the package
// if it has to and may.
func server(ctx context.Context, spec BrokerSpec) (sbin string, err error) {
	installing.Lock()
	defer installing.Unlock()
	if sbin = installedServer(); sbin != "" {
		return sbin, nil
	}
	if spec.NoInstall || !canInstall() {
		return "", ErrNoBroker
	}
	if err := installPackage(ctx, "rabbitmq-server", spec.Log); err != nil {
		return "", err
	}
	if sbin = installedServer(); sbin == "" {
		return "", fmt.Errorf("apt-get installed rabbitmq-server, but its scripts are not found: %w", ErrNoBroker)
	}
	return sbin, nil
}

// installed returns the path of the first of the programs that is there. If none
// is, it installs the package where it may, or returns none. One run at a time
// installs.
func installed(ctx context.Context, log io.Writer, name string, none error, programs ...string) (string, error) {
	installing.Lock()
	defer installing.Unlock()
	if path := firstOf(programs); path != "" {
		return path, nil
	}
	if !canInstall() {
		return "", none
	}
	if err := installPackage(ctx, name, log); err != nil {
		return "", err
	}
	if path := firstOf(programs); path != "" {
		return path, nil
	}
	return "", fmt.Errorf("apt-get installed %s, but it is not found: %w", name, none)
}

func firstOf(programs []string) string {
	for _, name := range programs {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	return ""
}

// installPackage installs a package of the distribution. A service of the
// package's own is kept from starting: what runs here is ours alone.
func installPackage(ctx context.Context, name string, log io.Writer) (err error) {
	began := time.Now()
	fmt.Fprintf(log, "installing the package %s with apt-get\n", name)
	allow, err := forbidServices()
	if err != nil {
		return fmt.Errorf("keep the package's service from starting: %w", err)
	}
	defer func() { err = errors.Join(err, allow()) }()

	install := []string{"install", "-y", "--no-install-recommends", name}
	if err := aptGet(ctx, install...); err != nil {
		fmt.Fprintln(log, "the package lists are old or missing: apt-get update")
		if err := aptGet(ctx, "update"); err != nil {
			return err
		}
		if err := aptGet(ctx, install...); err != nil {
			return err
		}
	}
	fmt.Fprintf(log, "installed %s in %s\n", name, time.Since(began).Round(time.Second))
	return nil
}

// forbidServices writes the policy unless the machine has one of its own, and
// returns what takes it away again.
func forbidServices() (func() error, error) {
	f, err := os.OpenFile(policyFile, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o755)
	if errors.Is(err, os.ErrExist) {
		return func() error { return nil }, nil
	}
	if err != nil {
		return nil, err
	}
	_, err = f.WriteString("#!/bin/sh\nexit 101\n")
	if err := errors.Join(err, f.Close()); err != nil {
		return nil, errors.Join(err, os.Remove(policyFile))
	}
	return func() error { return os.Remove(policyFile) }, nil
}

// lockTimeout is how long apt-get waits, in seconds, for another program that
// installs something, such as a machine's unattended upgrades.
const lockTimeout = "300"

func aptGet(ctx context.Context, args ...string) error {
	cmd := exec.CommandContext(ctx, "apt-get", append([]string{"-o", "DPkg::Lock::Timeout=" + lockTimeout}, args...)...)
	cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
	cmd.SysProcAttr = childAttributes()
	if out, err := cmd.CombinedOutput(); err != nil {
		const maxQuoted = 2000
		return fmt.Errorf("apt-get %s: %w: %s", args[0], err, out[max(0, len(out)-maxQuoted):])
	}
	return nil
}
