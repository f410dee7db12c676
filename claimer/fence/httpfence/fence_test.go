package httpfence_test

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/muster-go/muster/claimer"
	"github.com/muster-go/muster/claimer/fence"
	"github.com/muster-go/muster/claimer/fence/httpfence"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const election = "jobs/nächtlich"

// inMemory is a Maximum for a process that never ends.
type inMemory struct {
	token uint64
	fail  error
}

func (m *inMemory) Load(context.Context) (uint64, error) { return m.token, nil }

func (m *inMemory) Keep(_ context.Context, token uint64) error {
	if m.fail == nil {
		m.token = token
	}
	return m.fail
}

func newFence(t *testing.T, m httpfence.Maximum) *httpfence.Fence {
	t.Helper()
	f, err := httpfence.New(t.Context(), httpfence.Config{Election: election, Maximum: m, Logger: slog.New(slog.NewTextHandler(t.Output(), nil))})
	require.NoError(t, err)
	return f
}

func claim(token uint64) claimer.Claim {
	return claimer.Claim{Candidate: claimer.Candidate{Name: election, Holder: "box-1#x"}, Token: token}
}

// ask sends a request with the token through the handler, without a network.
func ask(ctx context.Context, h http.Handler, token uint64) *httptest.ResponseRecorder {
	request := httptest.NewRequestWithContext(ctx, http.MethodPost, "/run", nil)
	httpfence.Set(request.Header, claim(token))
	recorder := httptest.NewRecorder()
	h.ServeHTTP(recorder, request)
	return recorder
}

// refused is httpfence.Refused of a response without a body.
func refused(code int, header http.Header) error {
	return httpfence.Refused(&http.Response{StatusCode: code, Header: header})
}

func TestARequestWithATokenBelowTheFenceIsRefused(t *testing.T) {
	served := 0
	server := httptest.NewServer(newFence(t, &inMemory{}).Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { served++ })))
	defer server.Close()
	send := func(token uint64) (code int, err error) {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL+"/run", nil)
		require.NoError(t, err)
		httpfence.Set(request.Header, claim(token))
		response, err := server.Client().Do(request)
		require.NoError(t, err)
		require.NoError(t, response.Body.Close())
		return response.StatusCode, httpfence.Refused(response)
	}
	for _, token := range []uint64{7, 7, 9} {
		code, err := send(token)
		assert.Equal(t, http.StatusOK, code)
		assert.NoError(t, err)
	}
	code, err := send(8)
	assert.Equal(t, http.StatusPreconditionFailed, code)
	var stale *fence.StaleError
	require.ErrorAs(t, err, &stale)
	assert.Equal(t, fence.StaleError{What: server.URL + "/run", Token: 8, Fence: 9}, *stale)
	assert.Equal(t, 3, served)
}

func TestARequestThatSaysNoTokenOfTheElectionIsRefused(t *testing.T) {
	handler := newFence(t, &inMemory{}).Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("served") }))
	for _, tt := range []struct {
		name, election, token string
		want                  int
		says                  string
	}{
		{"no header", "", "", http.StatusPreconditionRequired, "no Muster-Token header"},
		{"no token", "jobs%2Fn%C3%A4chtlich", "", http.StatusPreconditionRequired, "no Muster-Token header"},
		{"no election", "", "7", http.StatusBadRequest, `claims of election "jobs/nächtlich"`},
		{"another election", "other", "7", http.StatusBadRequest, `Muster-Election is "other"`},
		{"token 0", "jobs%2Fn%C3%A4chtlich", "0", http.StatusBadRequest, "no claim has it"},
		{"a negative token", "jobs%2Fn%C3%A4chtlich", "-7", http.StatusBadRequest, `Muster-Token is "-7"`},
		{"a token beyond all", "jobs%2Fn%C3%A4chtlich", "18446744073709551615", http.StatusBadRequest, "no claim has one above"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			request := httptest.NewRequest(http.MethodPost, "/run", nil)
			request.Header.Set(httpfence.HeaderElection, tt.election)
			if tt.token != "" {
				request.Header.Set(httpfence.HeaderToken, tt.token)
			}
			recorder := httptest.NewRecorder()
			handler.ServeHTTP(recorder, request)
			assert.Equal(t, tt.want, recorder.Code)
			assert.Contains(t, recorder.Body.String(), tt.says)
			assert.NoError(t, refused(recorder.Code, recorder.Header()))
		})
	}
}

func TestAGreaterTokenEndsWhatRunsForASmallerOneAndWaitsForIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		started, mayEnd := make(chan struct{}), make(chan struct{})
		var cause error
		served := make(chan uint64, 2)
		handler := newFence(t, &inMemory{}).Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			if r.Header.Get(httpfence.HeaderToken) == "7" {
				close(started)
				<-r.Context().Done()
				cause = context.Cause(r.Context())
				<-mayEnd
				served <- 7
				return
			}
			served <- 8
		}))
		var asking sync.WaitGroup
		asking.Go(func() { ask(t.Context(), handler, 7) })
		<-started
		asking.Go(func() { assert.Equal(t, http.StatusOK, ask(t.Context(), handler, 8).Code) })
		synctest.Wait()
		assert.Empty(t, served, "the one with token 8 waits")
		var stale *fence.StaleError
		require.ErrorAs(t, cause, &stale)
		assert.Equal(t, [2]uint64{7, 8}, [2]uint64{stale.Token, stale.Fence})

		impatient, cancel := context.WithCancel(t.Context())
		cancel()
		assert.Equal(t, http.StatusServiceUnavailable, ask(impatient, handler, 8).Code)
		assert.Equal(t, http.StatusPreconditionFailed, ask(t.Context(), handler, 7).Code)
		close(mayEnd)
		asking.Wait()
		assert.Equal(t, [2]uint64{7, 8}, [2]uint64{<-served, <-served})
	})
}

func TestARequestThatIsOvertakenAsItWaitsIsRefusedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mayEnd := make(chan struct{})
		handler := newFence(t, &inMemory{}).Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-mayEnd }))
		codes := map[uint64]chan int{}
		for _, token := range []uint64{7, 8, 9} {
			code := make(chan int, 1)
			codes[token] = code
			go func() { code <- ask(t.Context(), handler, token).Code }()
			synctest.Wait()
		}
		select {
		case code := <-codes[8]:
			assert.Equal(t, http.StatusPreconditionFailed, code)
		default:
			t.Error("the request with token 8 still waits")
		}
		close(mayEnd)
		assert.Equal(t, http.StatusOK, <-codes[7])
		assert.Equal(t, http.StatusOK, <-codes[9])
	})
}

func TestNoHandlerWorksForASmallerTokenAfterOneWorkedForAGreater(t *testing.T) {
	var mu sync.Mutex
	var greatest uint64
	begun, turnedAway := 0, 0
	handler := newFence(t, &inMemory{}).Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		token, err := strconv.ParseUint(r.Header.Get(httpfence.HeaderToken), 10, 64)
		assert.NoError(t, err)
		work := func() {
			mu.Lock()
			defer mu.Unlock()
			assert.GreaterOrEqual(t, token, greatest)
			greatest = max(greatest, token)
			begun++
		}
		for range 20 {
			work()
		}
	}))
	var asking sync.WaitGroup
	for range 8 {
		asking.Go(func() {
			for n := range 200 {
				if ask(t.Context(), handler, uint64(1+n+rand.IntN(30))).Code != http.StatusOK {
					mu.Lock()
					turnedAway++
					mu.Unlock()
				}
			}
		})
	}
	asking.Wait()
	assert.Positive(t, begun)
	assert.Positive(t, turnedAway)
}

func TestWhatCantBeKeptIsNotLetThrough(t *testing.T) {
	m := &inMemory{}
	served := 0
	handler := newFence(t, m).Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { served++ }))
	require.Equal(t, http.StatusOK, ask(t.Context(), handler, 7).Code)
	m.fail = errors.New("the disk is full")
	response := ask(t.Context(), handler, 8)
	assert.Equal(t, http.StatusServiceUnavailable, response.Code)
	assert.Contains(t, response.Body.String(), "the disk is full")
	assert.Equal(t, http.StatusOK, ask(t.Context(), handler, 7).Code, "nobody has worked for 8 yet")
	m.fail = nil
	assert.Equal(t, http.StatusOK, ask(t.Context(), handler, 8).Code)
	assert.Equal(t, 3, served)
}

func TestAHandlerThatPanicsHoldsNobodyUp(t *testing.T) {
	handler := newFence(t, &inMemory{}).Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if r.Header.Get(httpfence.HeaderToken) == "7" {
			panic(http.ErrAbortHandler)
		}
	}))
	require.Panics(t, func() { ask(t.Context(), handler, 7) })
	assert.Equal(t, http.StatusOK, ask(t.Context(), handler, 8).Code)
}

func TestNewRefusesAConfigThatCantWork(t *testing.T) {
	for _, cfg := range []httpfence.Config{{Maximum: &inMemory{}}, {Election: "e"}} {
		_, err := httpfence.New(t.Context(), cfg)
		require.ErrorIs(t, err, fence.ErrInvalid)
	}
}

func TestSomebodyElses412IsNoRefusal(t *testing.T) {
	assert.NoError(t, refused(http.StatusPreconditionFailed, http.Header{}))
}

func TestTheFenceStandsAfterARestart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "fence")
	nothing := http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
	for _, tt := range []struct {
		token uint64
		want  int
	}{{7, http.StatusOK}, {6, http.StatusPreconditionFailed}, {7, http.StatusOK}, {1 << 62, http.StatusOK}, {8, http.StatusPreconditionFailed}} {
		file, err := httpfence.OpenFile(path)
		require.NoError(t, err)
		assert.Equal(t, tt.want, ask(t.Context(), newFence(t, file).Handler(nothing), tt.token).Code)
		require.NoError(t, file.Close())
	}
}
