package servertest

import (
	"fmt"
	"math/rand/v2"
	"net"
)

// host is where everything listens.
const host = "127.0.0.1"

// The ports that tests use lie below those from which systems choose for outgoing connections:
// otherwise somebody's connection may sit on a stopped node's port when it is to start again.
const (
	firstPort = 15000
	lastPort  = 32000
)

// FreePorts gives addresses at which nobody listens now.
func FreePorts(n int) ([]string, error) {
	var held []net.Listener // until all are found, so that they differ
	defer func() {
		for _, l := range held {
			_ = l.Close()
		}
	}()
	var addrs []string
	for range 1000 {
		if len(addrs) == n {
			return addrs, nil
		}
		addr := fmt.Sprintf("%s:%d", host, firstPort+rand.IntN(lastPort-firstPort))
		l, err := net.Listen("tcp", addr)
		if err != nil {
			continue
		}
		held, addrs = append(held, l), append(addrs, addr)
	}
	return nil, fmt.Errorf("no free ports between %d and %d", firstPort, lastPort)
}
