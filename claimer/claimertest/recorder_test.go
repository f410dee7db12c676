package claimertest_test

import (
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/muster-go/muster/claimer/claimertest"
)

// recorder is a testing.TB whose failure is a result.
type recorder struct {
	testing.TB

	mu       sync.Mutex
	failed   bool
	skipped  bool
	said     []string
	cleanups []func()
}

// record runs the check as a test of its own and returns what became of it.
func record(t testing.TB, check claimertest.Check, h claimertest.Harness) *recorder {
	r := &recorder{TB: t}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		check.Run(r, h)
	}()
	<-ended
	for i := len(r.cleanups) - 1; i >= 0; i-- {
		r.cleanups[i]()
	}
	return r
}

func (r *recorder) say(fail, skip bool, text string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failed, r.skipped = r.failed || fail, r.skipped || skip
	r.said = append(r.said, text)
}

func (r *recorder) text() string { return strings.Join(r.said, "\n") }

func (r *recorder) Helper() {}

func (r *recorder) Cleanup(f func()) { r.cleanups = append(r.cleanups, f) }

func (r *recorder) Failed() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.failed
}

func (r *recorder) Logf(format string, args ...any) {
	r.say(false, false, fmt.Sprintf(format, args...))
}

func (r *recorder) Log(args ...any) { r.say(false, false, fmt.Sprint(args...)) }

func (r *recorder) Errorf(format string, args ...any) {
	r.say(true, false, fmt.Sprintf(format, args...))
}

func (r *recorder) Fatal(args ...any) {
	r.say(true, false, fmt.Sprint(args...))
	runtime.Goexit()
}

func (r *recorder) Fatalf(format string, args ...any) {
	r.say(true, false, fmt.Sprintf(format, args...))
	runtime.Goexit()
}

func (r *recorder) Skipf(format string, args ...any) {
	r.say(false, true, fmt.Sprintf(format, args...))
	runtime.Goexit()
}
