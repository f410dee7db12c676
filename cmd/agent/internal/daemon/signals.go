package daemon

import (
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/muster-go/muster/internal/bootclock"
)

// sameInterrupt is how far apart two SIGINTs must be to count as two presses of Ctrl-C: some programs
// send theirs to the process and to its group.
const sameInterrupt = 30 * time.Millisecond

// signals are those that a daemon obeys. Others keep their defaults.
type signals struct {
	caught chan os.Signal
	quit   chan struct{}
	reload chan struct{} // holds one: SIGHUP
	end    chan struct{} // holds one: SIGTERM or Ctrl-C, see presses

	count chan int
}

// catchSignals starts to catch. A SIGHUP that was ignored from the start, which is what nohup asks
// for, stays so.
func catchSignals() *signals {
	s := &signals{
		caught: make(chan os.Signal, 16), quit: make(chan struct{}),
		reload: make(chan struct{}, 1), end: make(chan struct{}, 1), count: make(chan int, 1),
	}
	signal.Notify(s.caught, syscall.SIGINT, syscall.SIGTERM, syscall.SIGPIPE)
	if !signal.Ignored(syscall.SIGHUP) {
		signal.Notify(s.caught, syscall.SIGHUP)
	}
	s.count <- 0
	go s.run()
	return s
}

func (s *signals) stop() {
	signal.Stop(s.caught)
	close(s.quit)
}

// run sorts what is caught. A SIGTERM counts once, however often it comes; it begins the end.
func (s *signals) run() {
	var latest time.Time
	for {
		select {
		case <-s.quit:
			return
		case caught := <-s.caught:
			switch caught {
			case syscall.SIGHUP:
				post(s.reload)
				continue
			case syscall.SIGPIPE: // nobody reads the log any more: no reason to stop
				continue
			}
			n := <-s.count
			if now := bootclock.Clock.Now(); caught == syscall.SIGINT && (n == 0 || now.Sub(latest) >= sameInterrupt) {
				latest = now
				n++
			} else if n == 0 {
				n = 1
			}
			s.count <- n
			post(s.end)
		}
	}
}

// presses is how firmly the end was asked for: 1 once, and one more for each further Ctrl-C.
func (s *signals) presses() int {
	n := <-s.count
	s.count <- n
	return n
}

func post(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
