package stack

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
)

// Free ports come from below the range Linux hands out to outgoing connections
// (32768 up), so that no connection takes a port between its choice and its use.
const (
	firstFreePort = 20000
	lastFreePort  = 31999
	portTries     = 200
)

// FreePort returns a loopback TCP port nobody listens on at this moment.
func FreePort() (int, error) {
	for range portTries {
		port := firstFreePort + rand.IntN(lastFreePort-firstFreePort+1)
		if portFree(port) {
			return port, nil
		}
	}
	return 0, fmt.Errorf("find a free port between %d and %d: none in %d tries", firstFreePort, lastFreePort, portTries)
}

// freePorts returns n different free ports.
func freePorts(n int) ([]int, error) {
	var ports []int
	taken := map[int]bool{}
	for len(ports) < n {
		port, err := FreePort()
		if err != nil {
			return nil, err
		}
		if !taken[port] {
			taken[port] = true
			ports = append(ports, port)
		}
	}
	return ports, nil
}

// portFree asks for the loopback address and for all addresses: a listener on
// either would be in the way of somebody.
func portFree(port int) bool {
	for _, host := range []string{"127.0.0.1", ""} {
		l, err := net.Listen("tcp", net.JoinHostPort(host, strconv.Itoa(port)))
		if err != nil {
			return false
		}
		l.Close()
	}
	return true
}

// PortUse is one port the caller is about to listen on.
type PortUse struct {
	Port    int
	Name    string // what will listen there
	Setting string // the environment variable that moves it
}

// CheckPorts names every port that is taken, what needs it and how to move it,
// and every port that two uses share.
func CheckPorts(uses []PortUse) error {
	var errs []error
	owner := map[int]PortUse{}
	for _, use := range uses {
		if first, shared := owner[use.Port]; shared {
			errs = append(errs, fmt.Errorf("port %d is given to %s (%s) and to %s (%s): change one of them",
				use.Port, first.Name, first.Setting, use.Name, use.Setting))
			continue
		}
		owner[use.Port] = use
		if !portFree(use.Port) {
			errs = append(errs, fmt.Errorf("port %d is in use by another program, and %s needs it: stop that program or set %s",
				use.Port, use.Name, use.Setting))
		}
	}
	return errors.Join(errs...)
}
