package daemon

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/muster-go/muster/claimer"
	"github.com/muster-go/muster/engine"
	"github.com/muster-go/muster/store"
)

// Status is how the daemon is, as /v1/status tells it.
type Status struct {
	PID     int     `json:"pid"`
	Node    string  `json:"node"`
	URL     string  `json:"url"` // where it serves
	Version string  `json:"version"`
	Config  string  `json:"config"` // path of its configuration
	Uptime  float64 `json:"uptime"` // seconds

	Ready      bool             `json:"ready"`
	Store      string           `json:"store"`                 // its URL, without a password
	StoreError string           `json:"store_error,omitempty"` // why it can't be reached
	Elections  []ElectionStatus `json:"elections"`             // ordered by name
	Blocked    []Blocked        `json:"blocked,omitempty"`     // the manifolds that don't run, ordered by name
}

// ElectionStatus is how the daemon stands in one election.
type ElectionStatus struct {
	Name    string         `json:"name"`
	Leads   bool           `json:"leads"`            // this daemon does
	Leader  string         `json:"leader,omitempty"` // the node that leads; left out while none is known to
	Token   uint64         `json:"token,omitempty"`  // of the leader's claim
	Left    float64        `json:"left,omitempty"`   // seconds for which this daemon surely goes on to lead
	Waiting int            `json:"waiting"`          // who stand behind the first candidate
	TTL     float64        `json:"ttl"`              // seconds
	Stale   string         `json:"stale,omitempty"`  // why the leader may be another by now
	Seen    bool           `json:"seen"`             // the election was seen in the store
	Command *CommandStatus `json:"command,omitempty"`
}

// CommandStatus is how an election's command is.
type CommandStatus struct {
	Run    []string `json:"run"`
	PID    int      `json:"pid,omitempty"` // while it runs
	Starts int      `json:"starts"`
	Last   string   `json:"last,omitempty"` // how it ended the last time
}

// Blocked is a manifold that doesn't run.
type Blocked struct {
	Name  string `json:"name"`
	State string `json:"state"`
	Why   string `json:"why"`
	Ready bool   `json:"ready"` // that is as it should be: it is guarded, and another leads
}

func (d *daemon) status() Status {
	d.mu.Lock()
	path := d.file.Path
	d.mu.Unlock()
	snapshot := d.engine.Snapshot()
	status := Status{
		PID: os.Getpid(), Node: d.Node, URL: d.url(), Version: d.Version, Config: path,
		Uptime: d.clk.Now().Sub(d.began).Seconds(), Ready: true, Store: store.Redact(d.StoreURL),
	}
	if err := d.storeError(snapshot); err != nil {
		status.StoreError, status.Ready = err.Error(), false
	}
	for _, s := range d.allStands() {
		e := s.status(d.clk.Now())
		status.Ready = status.Ready && e.Seen
		status.Elections = append(status.Elections, e)
	}
	unready := map[string]bool{}
	var refused *engine.NotReadyError
	if err := snapshot.Ready(); errors.As(err, &refused) {
		status.Ready = false
		for _, node := range refused.Nodes {
			unready[node.Name] = true
		}
	}
	for _, node := range snapshot.Nodes {
		if node.State != engine.StateRunning {
			status.Blocked = append(status.Blocked, Blocked{
				Name: node.Name, State: string(node.State), Why: why(node), Ready: !unready[node.Name],
			})
		}
	}
	return status
}

// why says in one line why a manifold doesn't run.
func why(node engine.Node) string {
	if reason := node.Explain(); reason != "" {
		return reason
	}
	return node.LastError
}

// storeError says why the store can't be reached.
func (d *daemon) storeError(snapshot engine.Snapshot) error {
	if node, ok := snapshot.Node(storeName); ok && node.State != engine.StateRunning {
		return errors.New(why(node))
	}
	for _, s := range d.allStands() {
		if err := s.news.Down(); err != nil {
			return err
		}
	}
	return nil
}

func (s *stand) status(now time.Time) ElectionStatus {
	view := s.news.View()
	s.mu.Lock()
	defer s.mu.Unlock()
	status := ElectionStatus{Name: s.name, TTL: s.ttl.Seconds(), Seen: s.seen}
	if view.Stale != nil {
		status.Stale = view.Stale.Error()
	}
	if n := len(view.Candidates); n > 0 {
		status.Waiting = n - 1
		if first := view.Candidates[0]; first.Confirmed && !s.mine(first) {
			status.Leader, status.Token = claimer.DisplayHolder(first.Holder), first.Token
		}
	}
	if s.stand != nil {
		if claim, deadline, ok := s.stand.Leadership(); ok {
			status.Leads, status.Leader, status.Token = true, s.d.Node, claim.Token
			status.Left = max(0, deadline.Sub(now)).Seconds()
		}
	}
	if s.run != nil {
		status.Command = &CommandStatus{Run: s.run, Starts: s.starts, Last: s.lastExit}
		if s.running != nil {
			status.Command.PID = s.running.Pid()
		}
	}
	return status
}

// worstFailover is how long others wait at most once this daemon doesn't answer any more.
func (s *stand) worstFailover() time.Duration {
	opened := s.d.store.Load()
	if opened == nil {
		return 0
	}
	return opened.Limits().WorstFailover(s.ttl)
}

// line is the status in one line, for systemctl status.
func (s Status) line() string {
	var leads, stands []string
	for _, e := range s.Elections {
		if e.Leads {
			leads = append(leads, e.Name)
		} else {
			stands = append(stands, e.Name)
		}
	}
	var parts []string
	if s.StoreError != "" {
		parts = append(parts, fmt.Sprintf("the store can't be reached (%s)", s.StoreError))
	}
	if len(leads) > 0 {
		parts = append(parts, "leading "+strings.Join(leads, ", "))
	}
	if len(stands) > 0 {
		parts = append(parts, "standing for "+strings.Join(stands, ", "))
	}
	return strings.Join(parts, "; ")
}
