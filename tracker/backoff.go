package tracker

import (
	"time"

	"github.com/muster-go/muster/internal/chance"
)

// backoff is how long to wait after so many failures in a row: a jittered Duration/20, doubled each
// time, up to Duration/4.
func (w *Worker) backoff(failures int) int64 {
	d := min(w.duration/20<<min(failures-1, 10), w.duration/4)
	return d/2 + int64(chance.Upto(w.config.Rand, time.Duration(d/2)))
}
