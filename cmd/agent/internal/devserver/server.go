package devserver

import (
	"errors"
	"fmt"
	"html/template"
	"io"
	"log/slog"
	"net"
	"net/http"
	"runtime"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/muster-go/muster/claimer"
)

// Config says what the server tells about.
type Config struct {
	Election          string // the one that See shows
	Store             string // URL, without a password
	Version, Revision string // of this build
	Logger            *slog.Logger
}

// Server serves what See showed it last.
type Server struct {
	cfg      Config
	registry *prometheus.Registry
	http     *http.Server
	token    prometheus.Gauge
	standing prometheus.Gauge

	mu   sync.Mutex
	seen bool
	view claimer.View
}

// New makes a server that isn't ready. Serve starts it.
func New(cfg Config) *Server {
	s := &Server{
		cfg: cfg, registry: prometheus.NewRegistry(),
		token: prometheus.NewGauge(prometheus.GaugeOpts{
			Name:        "muster_election_leader_token",
			Help:        "Fencing token of the leader of the observed election; 0 while nobody leads.",
			ConstLabels: prometheus.Labels{"election": cfg.Election},
		}),
		standing: prometheus.NewGauge(prometheus.GaugeOpts{
			Name:        "muster_election_candidates",
			Help:        "Candidates of the observed election, its leader included.",
			ConstLabels: prometheus.Labels{"election": cfg.Election},
		}),
	}
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Name:        "muster_build_info",
		Help:        "Which build this is; always 1.",
		ConstLabels: prometheus.Labels{"version": cfg.Version, "revision": cfg.Revision, "goversion": runtime.Version()},
	})
	build.Set(1)
	s.registry.MustRegister(s.token, s.standing, build,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	mux := http.NewServeMux()
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) { answer(w, http.StatusOK, "ok\n") })
	mux.HandleFunc("GET /readyz", s.readyz)
	mux.Handle("GET /metrics", promhttp.HandlerFor(s.registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /{$}", s.page)
	s.http = &http.Server{
		Handler:           mux,
		ReadHeaderTimeout: 5 * time.Second,
		ErrorLog:          slog.NewLogLogger(cfg.Logger.Handler(), slog.LevelDebug),
	}
	return s
}

// Registry takes the metrics of others, to be served with the rest.
func (s *Server) Registry() prometheus.Registerer { return s.registry }

// Serve serves until Close, and then returns nil. It closes the listener.
func (s *Server) Serve(listener net.Listener) error {
	if err := s.http.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve %s: %w", listener.Addr(), err)
	}
	return nil
}

// Close ends Serve and every request at once.
func (s *Server) Close() { _ = s.http.Close() } // what it could say is that a connection was gone already

// See shows the server the present state of the election. The first one that isn't stale makes it ready.
func (s *Server) See(v claimer.View) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.view = v
	s.seen = s.seen || v.Stale == nil
	s.standing.Set(float64(len(v.Candidates)))
	s.token.Set(0)
	if leader, ok := leader(v); ok {
		s.token.Set(float64(leader.Token))
	}
}

func leader(v claimer.View) (claimer.Standing, bool) {
	if len(v.Candidates) == 0 || !v.Candidates[0].Confirmed {
		return claimer.Standing{}, false
	}
	return v.Candidates[0], true
}

func (s *Server) state() (seen bool, v claimer.View) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.seen, s.view
}

func (s *Server) readyz(w http.ResponseWriter, r *http.Request) {
	seen, view := s.state()
	checks := []struct {
		name string
		err  error
	}{{"store", view.Stale}, {"election", nil}}
	if !seen {
		checks[1].err = errors.New("not seen yet")
	}
	code, text, verdict := http.StatusOK, "", "ok"
	for _, c := range checks {
		if c.err != nil {
			code, verdict = http.StatusServiceUnavailable, "not ready"
			text += fmt.Sprintf("[-] %s: %v\n", c.name, c.err)
			continue
		}
		text += fmt.Sprintf("[+] %s ok\n", c.name)
	}
	if code == http.StatusOK && !r.URL.Query().Has("verbose") {
		text = ""
	}
	answer(w, code, text+verdict+"\n")
}

func answer(w http.ResponseWriter, code int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(code)
	_, _ = io.WriteString(w, text) // the client may be gone
}

var pageTemplate = template.Must(template.New("page").Parse(`<!doctype html>
<meta charset="utf-8">
<meta http-equiv="refresh" content="2">
<title>Muster</title>
<style>body{font:16px/1.5 system-ui;max-width:40rem;margin:2rem auto;padding:0 1rem}</style>
<h1>Muster</h1>
<p>Election <b>{{.Election}}</b>: {{with .Leader}}<b>{{.}}</b> leads with token {{$.Token}}{{else}}nobody leads{{end}};
{{.Waiting}} waiting.{{with .Stale}} The store can't be reached: {{.}}{{end}}</p>
<p>Store: <code>{{.Store}}</code></p>
<p><a href="/livez">livez</a> · <a href="/readyz?verbose">readyz</a> · <a href="/metrics">metrics</a></p>
`))

func (s *Server) page(w http.ResponseWriter, _ *http.Request) {
	_, view := s.state()
	data := struct {
		Election, Store, Leader string
		Token                   uint64
		Waiting                 int
		Stale                   error
	}{Election: s.cfg.Election, Store: s.cfg.Store, Waiting: len(view.Candidates), Stale: view.Stale}
	if leader, ok := leader(view); ok {
		data.Leader, data.Token = claimer.DisplayHolder(leader.Holder), leader.Token
		data.Waiting--
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	if err := pageTemplate.Execute(w, data); err != nil {
		s.cfg.Logger.Debug("page not sent", "err", err)
	}
}
