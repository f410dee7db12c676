package endurance_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"testing"

	"github.com/muster-go/muster/cmd/agent/internal/web"
	"github.com/muster-go/muster/internal/bootclock"
)

func TestCyclesOfAWebServerLeaveNothing(t *testing.T) {
	t.Run("that was asked, and stopped", func(t *testing.T) {
		run(t, 1000, 2, func(int) error {
			listener, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				return err
			}
			server := web.Serve(listener, http.NotFoundHandler(), bootclock.Clock, quiet)
			if err := ask(listener.Addr().String(), http.StatusNotFound); err != nil {
				return err
			}
			server.Kill()
			return server.Wait()
		})
	})
	t.Run("that is killed at once", func(t *testing.T) {
		run(t, 1000, 2, func(int) error {
			listener, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				return err
			}
			server := web.Serve(listener, http.NotFoundHandler(), bootclock.Clock, quiet)
			server.Kill()
			return server.Wait()
		})
	})
	t.Run("whose listener fails", func(t *testing.T) {
		run(t, 1000, 2, func(int) error {
			listener, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				return err
			}
			_ = listener.Close()
			if web.Serve(listener, http.NotFoundHandler(), bootclock.Clock, quiet).Wait() == nil {
				return fmt.Errorf("it served on a closed listener")
			}
			return nil
		})
	})
}

// ask sends a request on a connection of its own.
func ask(address string, want int) error {
	request, err := http.NewRequestWithContext(context.Background(), http.MethodGet, "http://"+address+"/", nil)
	if err != nil {
		return err
	}
	transport := &http.Transport{DisableKeepAlives: true}
	defer transport.CloseIdleConnections()
	response, err := (&http.Client{Transport: transport, Timeout: patience}).Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != want {
		return fmt.Errorf("%s answers with %d, not with %d", address, response.StatusCode, want)
	}
	return nil
}
