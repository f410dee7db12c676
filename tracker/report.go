package tracker

import (
	"fmt"
	"time"

	"github.com/muster-go/muster/claimer"
)

// status is what the loop shows for reports; never changed once stored.
type status struct {
	phase    phase
	stopping bool
	term     *term
	claimAt  int64
	failures int
	hung     int
	err      error
}

// publishStatus is called by the loop.
func (l *loop) publishStatus() {
	l.status.Store(&status{
		phase: l.phase, stopping: l.stopping, term: l.term,
		claimAt: l.claimDue(), failures: l.failures, hung: l.hung, err: l.lastErr,
	})
}

// Report implements worker.Reporter. It doesn't block. Beside the election, the holder and the
// state ("campaigning", "minion", "leader", "stopping guarded work", "releasing", "stopped") it has,
// where there is something to tell: token, lease-left, leader (who leads elsewhere), leader-token,
// holds, blocked (why the tracker doesn't campaign), error, failures, retry-in, hung-calls.
func (w *Worker) Report() map[string]any {
	s, v := w.status.Load(), w.view.Load()
	report := map[string]any{
		"election": w.candidate.Name,
		"holder":   w.config.Candidate.Holder,
		"state":    s.state(),
	}
	now := w.now()
	if t := v.term; t != nil {
		if left := t.until.Load() - now; left > 0 {
			report["lease-left"] = time.Duration(left).String()
		} else {
			report["state"] = "minion"
		}
	}
	if t := s.term; t != nil {
		report["token"] = t.claim.Token
		if n := t.held(); n > 0 {
			report["holds"] = n
			if s.phase == draining {
				report["blocked"] = fmt.Sprintf("guarded work has %d unreleased hold(s) on the claim with token %d", n, t.claim.Token)
			}
		}
	}
	if v.elsewhere != nil {
		report["leader"] = claimer.DisplayHolder(v.elsewhere.Holder)
		report["leader-token"] = v.elsewhere.Token
	}
	if s.err != nil {
		report["error"] = s.err.Error()
	}
	if s.failures > 0 {
		report["failures"] = s.failures
		report["retry-in"] = time.Duration(max(s.claimAt-now, 0)).String()
	}
	if s.hung > 0 {
		report["hung-calls"] = s.hung
	}
	return report
}

func (s *status) state() string {
	switch s.phase {
	case waiting:
		return "minion"
	case leading:
		return "leader"
	case draining:
		return "stopping guarded work"
	case releasing:
		return "releasing"
	case finished:
		return "stopped"
	}
	return "campaigning"
}
