package web_test

import (
	"log/slog"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/muster-go/muster/cmd/agent/internal/web"
	"github.com/muster-go/muster/internal/bootclock"
)

func listen(t *testing.T) net.Listener {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	return listener
}

func TestARequestUnderWayDoesNotKeepTheServerFromStopping(t *testing.T) {
	listener := listen(t)
	reached, released := make(chan struct{}), make(chan struct{})
	server := web.Serve(listener, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		close(reached)
		<-r.Context().Done()
		close(released)
	}), bootclock.Clock, slog.Default())
	failed := make(chan error, 1)
	go func() {
		response, err := http.Get("http://" + listener.Addr().String())
		if err == nil {
			_ = response.Body.Close()
		}
		failed <- err
	}()
	<-reached
	began := time.Now()
	server.Kill()
	require.NoError(t, server.Wait())
	assert.GreaterOrEqual(t, time.Since(began), 2*time.Second, "it had its time")
	<-released
	assert.Error(t, <-failed)
	http.DefaultClient.CloseIdleConnections()
}

func TestAServerWhoseListenerFailsEndsWithTheReason(t *testing.T) {
	listener := listen(t)
	server := web.Serve(listener, http.NotFoundHandler(), bootclock.Clock, slog.Default())
	assert.Equal(t, listener.Addr().String(), server.Report()["address"])
	require.NoError(t, listener.Close())
	assert.ErrorContains(t, server.Wait(), "serve "+listener.Addr().String())
}
