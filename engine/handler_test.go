package engine_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/juju/clock"
	"github.com/juju/worker/v4"
	"github.com/juju/worker/v4/dependency"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/muster-go/muster/engine"
)

// flagWorker runs until it is killed, and says what its flag is.
type flagWorker struct {
	*plant

	flag bool
}

func (w flagWorker) Check() bool { return w.flag }

func (w flagWorker) Reason() string { return "not leader of web; leader is box-2" }

// starts gives a Start of workers.
func starts(make func() (worker.Worker, error)) dependency.StartFunc {
	return func(context.Context, dependency.Getter) (worker.Worker, error) { return make() }
}

// idle is a worker that runs until it is killed.
func idle() (worker.Worker, error) { return newField().plant(-1), nil }

// served runs the manifolds in a synctest bubble, with all at rest, behind a Handler.
func served(t *testing.T, manifolds dependency.Manifolds, test func(t *testing.T, e *engine.Engine, h http.Handler)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		e, err := engine.New(engine.Config{Clock: clock.WallClock, Logger: quiet, RestartDelay: time.Hour, MaxRestartDelay: time.Hour}, manifolds)
		require.NoError(t, err)
		defer func() {
			e.Kill()
			assert.NoError(t, e.Wait())
		}()
		synctest.Wait()
		test(t, e, engine.Handler(e))
	})
}

// get gives the answer to a request.
func get(h http.Handler, method, target string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(method, target, nil))
	return w
}

func TestHandlerOfAnEngineThatIsWell(t *testing.T) {
	served(t, dependency.Manifolds{
		"store": {Start: starts(idle)},
		"gate":  {Inputs: []string{"store"}, Start: starts(func() (worker.Worker, error) { return flagWorker{newField().plant(-1), false}, nil })},
		"app":   {Inputs: []string{"gate", "store"}, Start: starts(idle)},
	}, func(t *testing.T, e *engine.Engine, h http.Handler) {
		require.NoError(t, e.Live())
		require.NoError(t, e.Ready(), "who isn't leader is ready")

		w := get(h, "GET", "/livez")
		assert.Equal(t, 200, w.Code)
		assert.Equal(t, "ok\n", w.Body.String())
		assert.Equal(t, "no-store", w.Header().Get("Cache-Control"))
		assert.Equal(t, "nosniff", w.Header().Get("X-Content-Type-Options"))

		w = get(h, "GET", "/readyz")
		assert.Equal(t, 200, w.Code)
		assert.Equal(t, "ready\n", w.Body.String())

		w = get(h, "GET", "/readyz?verbose")
		assert.Equal(t, 200, w.Code)
		assert.Equal(t, `[+] app: blocked: waits for gate: not leader of web; leader is box-2
[+] gate: running, flag is false: not leader of web; leader is box-2
[+] store: running
ready
`, w.Body.String())

		e.Kill()
		require.NoError(t, e.Wait())
		require.EqualError(t, e.Live(), "the engine has ended")
		assert.Equal(t, 503, get(h, "GET", "/livez").Code)
		assert.Equal(t, 503, get(h, "GET", "/readyz").Code)
		assert.Contains(t, get(h, "GET", "/readyz?verbose").Body.String(), "[-] engine finished\n")
		assert.Equal(t, 200, get(h, "GET", "/v1/snapshot").Code, "what it was like can still be seen")
	})
}

func TestHandlerOfAnEngineThatIsNotWell(t *testing.T) {
	served(t, dependency.Manifolds{
		"store": {Start: starts(func() (worker.Worker, error) { return nil, errors.New("no\nroute") })},
		"app":   {Inputs: []string{"store"}, Start: starts(idle)},
		"other": {Start: starts(idle)},
	}, func(t *testing.T, e *engine.Engine, h http.Handler) {
		assert.Equal(t, 200, get(h, "GET", "/livez").Code)

		w := get(h, "GET", "/readyz")
		assert.Equal(t, 503, w.Code)
		assert.Regexp(t, `^not ready\napp: blocked: waits for store: failed: no route; again in \S+\nstore: backoff: failed: no route; again in \S+\n$`, w.Body.String())

		w = get(h, "GET", "/readyz?verbose")
		assert.Equal(t, 503, w.Code)
		assert.Regexp(t, `^\[-\] app: .*\n\[\+\] other: running\n\[-\] store: .*\nnot ready\n$`, w.Body.String())

		_, isTyped := errors.AsType[*engine.NotReadyError](e.Ready())
		assert.True(t, isTyped)
	})
}

func TestHandlerWhileAManifoldStartsForTheFirstTime(t *testing.T) {
	served(t, dependency.Manifolds{
		"slow": {Start: func(ctx context.Context, _ dependency.Getter) (worker.Worker, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}},
	}, func(t *testing.T, _ *engine.Engine, h http.Handler) {
		w := get(h, "GET", "/readyz")
		assert.Equal(t, 503, w.Code)
		assert.Equal(t, "not ready\nslow: starting: starting for 0s\n", w.Body.String())
	})
}

func TestHandlerShowsSnapshots(t *testing.T) {
	served(t, dependency.Manifolds{
		"store": {Start: starts(idle)},
		"app":   {Inputs: []string{"store"}, Start: starts(idle)},
	}, func(t *testing.T, e *engine.Engine, h http.Handler) {
		s := e.Snapshot()
		for query, want := range map[string]struct{ contentType, text string }{
			"?format=tree":    {"text/plain; charset=utf-8", s.Tree()},
			"?format=dot":     {"text/vnd.graphviz; charset=utf-8", s.DOT()},
			"?format=mermaid": {"text/plain; charset=utf-8", s.Mermaid()},
		} {
			w := get(h, "GET", "/v1/snapshot"+query)
			assert.Equal(t, 200, w.Code, query)
			assert.Equal(t, want.contentType, w.Header().Get("Content-Type"), query)
			assert.Equal(t, want.text, w.Body.String(), query)
		}
		for _, query := range []string{"", "?format=json", "?format="} {
			w := get(h, "GET", "/v1/snapshot"+query)
			assert.Equal(t, 200, w.Code, query)
			assert.Equal(t, "application/json", w.Header().Get("Content-Type"), query)
			var got engine.Snapshot
			require.NoError(t, json.Unmarshal(w.Body.Bytes(), &got), query)
			assert.Equal(t, s.Tree(), got.Tree(), "a reader can draw it himself")
		}
		w := get(h, "GET", "/v1/snapshot?format=xml")
		assert.Equal(t, 400, w.Code)
		assert.Equal(t, "format \"xml\" isn't known: want json, tree, dot or mermaid\n", w.Body.String())
	})
}

func TestHandlerAnswersToGETAndHEADOnly(t *testing.T) {
	served(t, dependency.Manifolds{"store": {Start: starts(idle)}}, func(t *testing.T, _ *engine.Engine, h http.Handler) {
		for _, path := range []string{"/livez", "/readyz", "/v1/snapshot"} {
			assert.Equal(t, 200, get(h, "HEAD", path).Code, path)
			for _, method := range []string{"POST", "PUT", "DELETE", "OPTIONS"} {
				w := get(h, method, path)
				assert.Equal(t, 405, w.Code, "%s %s", method, path)
				assert.Equal(t, "GET, HEAD", w.Header().Get("Allow"), "%s %s", method, path)
			}
		}
		assert.Equal(t, 404, get(h, "GET", "/v1/snapshots").Code)
		assert.Equal(t, 404, get(h, "GET", "/").Code)
	})
}
