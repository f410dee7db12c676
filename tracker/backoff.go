package tracker

import "math/rand/v2"

// backoff is how long to wait after so many failures in a row: a jittered Duration/20, doubled each
// time, up to Duration/4.
func (w *Worker) backoff(failures int) int64 {
	d := min(w.duration/20<<min(failures-1, 10), w.duration/4)
	return d/2 + rand.Int64N(d/2+1)
}
