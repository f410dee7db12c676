package leadership

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/muster-go/muster/claimer"
)

// announcer is a queue that logs, once, why a claim is denied although nobody holds the name.
type announcer struct {
	*claimer.Queue
	log  *slog.Logger
	said atomic.Pointer[string]
}

// Claim implements claimer.Claimer.
func (a *announcer) Claim(ctx context.Context, c claimer.Candidate, d time.Duration) (claimer.Claim, error) {
	claim, err := a.Queue.Claim(ctx, c, d)
	if denied, ok := errors.AsType[*claimer.DeniedError](err); ok && denied.Reason != "" {
		if said := a.said.Swap(&denied.Reason); said == nil || *said != denied.Reason {
			a.log.Info("the leadership flag can't be raised yet", "why", denied.Reason)
		}
	}
	return claim, err
}
