package engine

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// Handler shows an engine over HTTP, to GET and HEAD:
//
//   - /livez says 200 while the engine's loop answers, and 503 when it doesn't or has ended: see
//     Engine.Live.
//   - /readyz says 200 while Engine.Ready says nil, else 503, and what isn't ready; with ?verbose a
//     line for each manifold, [+] those that are ready and [-] the others, with the reason.
//   - /v1/snapshot gives a Snapshot: ?format=json (the default), tree, dot or mermaid.
//
// It asks nobody who he is, and a Snapshot has what workers report of themselves: serve it where
// only those can reach it who may know.
func Handler(e *Engine) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) { livez(w, e) })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) { readyz(w, r, e) })
	mux.HandleFunc("GET /v1/snapshot", func(w http.ResponseWriter, r *http.Request) { snapshot(w, r, e) })
	return mux
}

func livez(w http.ResponseWriter, e *Engine) {
	if err := e.Live(); err != nil {
		answer(w, http.StatusServiceUnavailable, err.Error()+"\n")
		return
	}
	answer(w, http.StatusOK, "ok\n")
}

func readyz(w http.ResponseWriter, r *http.Request, e *Engine) {
	s := e.Snapshot()
	err := s.Ready()
	status, text := http.StatusOK, "ready\n"
	if err != nil {
		status, text = http.StatusServiceUnavailable, "not ready\n"
	}
	switch {
	case r.URL.Query().Has("verbose"):
		text = verbose(s, err) + text
	case err != nil:
		text += err.Error() + "\n"
	}
	answer(w, status, text)
}

// verbose gives a line for each manifold.
func verbose(s Snapshot, err error) string {
	var b strings.Builder
	unready := map[string]bool{}
	if refused, ok := errors.AsType[*NotReadyError](err); ok {
		if refused.Engine != "" {
			fmt.Fprintf(&b, "[-] %s\n", refused.Engine)
		}
		for _, node := range refused.Nodes {
			unready[node.Name] = true
		}
	}
	for _, node := range s.Nodes {
		mark := "+"
		if unready[node.Name] {
			mark = "-"
		}
		fmt.Fprintf(&b, "[%s] %s\n", mark, node)
	}
	return b.String()
}

func snapshot(w http.ResponseWriter, r *http.Request, e *Engine) {
	switch format := r.URL.Query().Get("format"); format {
	case "", "json":
		text, err := json.MarshalIndent(e.Snapshot(), "", "  ")
		if err != nil {
			answer(w, http.StatusInternalServerError, err.Error()+"\n")
			return
		}
		w.Header().Set("Content-Type", "application/json")
		answer(w, http.StatusOK, string(text)+"\n")
	case "tree":
		answer(w, http.StatusOK, e.Snapshot().Tree())
	case "dot":
		w.Header().Set("Content-Type", "text/vnd.graphviz; charset=utf-8")
		answer(w, http.StatusOK, e.Snapshot().DOT())
	case "mermaid":
		answer(w, http.StatusOK, e.Snapshot().Mermaid())
	default:
		answer(w, http.StatusBadRequest, fmt.Sprintf("format %q isn't known: want json, tree, dot or mermaid\n", format))
	}
}

// answer writes a text; its type, unless it was set, is plain.
func answer(w http.ResponseWriter, status int, text string) {
	h := w.Header()
	if h.Get("Content-Type") == "" {
		h.Set("Content-Type", "text/plain; charset=utf-8")
	}
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, text)
}
