package daemon

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/muster-go/muster/cmd/agent/internal/web"
	"github.com/muster-go/muster/engine"
)

// IDHeader is in each answer: the daemon's ID of package statedir.
const IDHeader = "Muster-Daemon"

const index = `/livez            200 while the daemon's engine answers
/readyz           200 while the store answers and everything that should run does; ?verbose says more
/metrics          for Prometheus
/leader/ELECTION  200 while this daemon leads ELECTION, 503 while it doesn't, 404 if it doesn't stand for it
/v1/status        how the daemon is, as JSON
/v1/snapshot      its manifolds: ?format=json, tree, dot or mermaid
`

// handler serves all of this to whom package web lets through.
func (d *daemon) handler() http.Handler {
	mux := http.NewServeMux()
	graph := engine.Handler(d.engine)
	mux.Handle("GET /livez", graph)
	mux.Handle("GET /v1/snapshot", graph)
	mux.HandleFunc("GET /v1/status", func(w http.ResponseWriter, _ *http.Request) { web.JSON(w, http.StatusOK, d.status()) })
	mux.HandleFunc("GET /readyz", d.readyz)
	mux.HandleFunc("GET /leader/{election...}", d.leader)
	mux.Handle("GET /metrics", promhttp.HandlerFor(d.registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) { web.Text(w, http.StatusOK, index) })
	guarded := web.Guard(d.address, d.Hosts, mux)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set(IDHeader, d.id)
		guarded.ServeHTTP(w, r)
	})
}

// readyz tells whether the store answers, each election was seen, and each manifold runs that should.
func (d *daemon) readyz(w http.ResponseWriter, r *http.Request) {
	status := d.status()
	var good, bad strings.Builder
	check := func(name, fault string) {
		if fault == "" {
			fmt.Fprintf(&good, "[+] %s ok\n", name)
		} else {
			fmt.Fprintf(&bad, "[-] %s: %s\n", name, strings.Join(strings.Fields(fault), " "))
		}
	}
	check("store", status.StoreError)
	for _, e := range status.Elections {
		fault := ""
		if !e.Seen {
			fault = "not seen yet"
		}
		check("election "+e.Name, fault)
	}
	for _, b := range status.Blocked {
		if !b.Ready {
			check(b.Name, b.State+": "+b.Why)
		}
	}
	code, verdict := http.StatusOK, "ready\n"
	if !status.Ready {
		code, verdict = http.StatusServiceUnavailable, "not ready\n"
	}
	text := bad.String()
	if r.URL.Query().Has("verbose") {
		text += good.String()
	}
	web.Text(w, code, text+verdict)
}

// Leader is what /leader tells.
type Leader struct {
	Election string `json:"election"`
	Leading  bool   `json:"leading"`          // this daemon leads, now
	Holder   string `json:"holder,omitempty"` // the node that leads, as far as is known
	Token    uint64 `json:"token,omitempty"`  // of its claim
	Deadline int64  `json:"deadline_ms"`      // for how many milliseconds more this daemon surely leads
	Stale    string `json:"stale,omitempty"`  // why another may lead by now
}

// leader compares the present moment with the end of the lease: it trusts nothing that was told.
func (d *daemon) leader(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("election")
	d.mu.Lock()
	s := d.stands[name]
	d.mu.Unlock()
	if s == nil {
		web.Text(w, http.StatusNotFound, fmt.Sprintf("this daemon doesn't stand for an election %q; see /v1/status for those that it does\n", name))
		return
	}
	e := s.status(d.clk.Now())
	code := http.StatusServiceUnavailable
	if e.Leads {
		code = http.StatusOK
	}
	web.JSON(w, code, Leader{
		Election: name, Leading: e.Leads, Holder: e.Leader, Token: e.Token, Deadline: int64(e.Left * 1000), Stale: e.Stale,
	})
}
