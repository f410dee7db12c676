package tracker

import (
	"context"
	"fmt"
)

// waitCall is one call of WaitReleased.
type waitCall struct {
	since  int64
	cancel context.CancelFunc
}

// waitReleased waits for the name to be released.
func (l *loop) waitReleased(now int64) {
	ctx, cancel := context.WithCancel(context.Background())
	call := &waitCall{since: now, cancel: cancel}
	l.waits = call
	candidate := l.Candidate()
	go func() {
		defer cancel()
		err := l.config.Claimer.WaitReleased(ctx, candidate)
		select {
		case l.inbox <- func() { l.waited(call, err) }:
		case <-l.tomb.Dead():
		}
	}()
}

// waited is how WaitReleased came back. Whatever it says, the name is claimed again: an error says
// nothing about whether it is free. Waits that end as soon as they begin are spaced out.
func (l *loop) waited(call *waitCall, err error) {
	if call != l.waits {
		return
	}
	now := l.now()
	if now-call.since >= l.duration/4 {
		l.churn = 0
	}
	l.churn++
	switch {
	case err == nil && l.churn == 1:
		l.campaign(now)
	case err == nil:
		l.campaign(now + l.backoff(l.churn-1))
	case permanent(err):
		l.fatal(fmt.Errorf("waiting for %q to be released: %w", l.candidate.Name, err))
	default:
		l.campaign(now)
		l.failed(now, fmt.Errorf("waiting for %q to be released: %w", l.candidate.Name, err), l.churn)
	}
}
