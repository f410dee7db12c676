package devserver_test

import (
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/muster-go/muster/claimer"
	"github.com/muster-go/muster/cmd/agent/internal/devserver"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// serve starts a server and gives what asks it.
func serve(t *testing.T) (*devserver.Server, func(path string) (int, string)) {
	t.Helper()
	server := devserver.New(devserver.Config{
		Election: "hello", Store: "mem://", Version: "v1", Revision: "abc", Logger: slog.New(slog.DiscardHandler),
	})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	done := make(chan error, 1)
	go func() { done <- server.Serve(listener) }()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	t.Cleanup(func() {
		server.Close()
		assert.NoError(t, <-done)
	})
	return server, func(path string) (int, string) {
		response, err := client.Get("http://" + listener.Addr().String() + path)
		require.NoError(t, err)
		defer response.Body.Close()
		body, err := io.ReadAll(response.Body)
		require.NoError(t, err)
		return response.StatusCode, string(body)
	}
}

func standing(holder string, token uint64) claimer.Standing {
	return claimer.Standing{
		Claim:     claimer.Claim{Candidate: claimer.Candidate{Name: "hello", Holder: holder}, Token: token},
		Confirmed: token != 0, Key: holder,
	}
}

func TestReadyOnceTheElectionWasSeenAndWhileTheStoreAnswers(t *testing.T) {
	server, get := serve(t)
	code, body := get("/readyz")
	assert.Equal(t, 503, code)
	assert.Equal(t, "[+] store ok\n[-] election: not seen yet\nnot ready\n", body)
	code, _ = get("/livez")
	assert.Equal(t, 200, code, "it lives all the same")

	server.See(claimer.View{})
	code, body = get("/readyz")
	assert.Equal(t, 200, code)
	assert.Equal(t, "ok\n", body)
	code, body = get("/readyz?verbose")
	assert.Equal(t, 200, code)
	assert.Equal(t, "[+] store ok\n[+] election ok\nok\n", body)

	server.See(claimer.View{Stale: errors.New("cut off")})
	code, body = get("/readyz")
	assert.Equal(t, 503, code)
	assert.Equal(t, "[-] store: cut off\n[+] election ok\nnot ready\n", body)
}

func TestThePageAndTheMetricsShowTheElection(t *testing.T) {
	server, get := serve(t)
	server.See(claimer.View{})
	_, body := get("/")
	assert.Contains(t, body, "nobody leads")
	server.See(claimer.View{Candidates: []claimer.Standing{standing("<box>#x", 7), standing("other", 0)}})
	_, body = get("/")
	assert.Contains(t, body, "<b>&lt;box&gt;</b> leads with token 7;\n1 waiting.")
	_, body = get("/metrics")
	assert.Contains(t, body, `muster_election_leader_token{election="hello"} 7`)
	assert.Contains(t, body, `muster_election_candidates{election="hello"} 2`)
	assert.Contains(t, body, `version="v1"`)
	code, _ := get("/elsewhere")
	assert.Equal(t, 404, code)
}
