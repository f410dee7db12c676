package systemd

import (
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"github.com/juju/clock"
)

// Variables are those of the environment by which a manager speaks to this process alone: they are
// not for its children.
var Variables = []string{"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"}

// Config says what to tell.
type Config struct {
	// Alive is asked before each sign of life; while it gives an error, or doesn't answer within the
	// time between two, none is sent.
	Alive  func() error
	Clock  clock.Clock
	Logger *slog.Logger
}

// Notifier speaks to the manager. Its methods may be called from many goroutines and don't block.
type Notifier struct {
	cfg  Config
	stop chan struct{}
	loop sync.WaitGroup

	mu     sync.Mutex
	status string // told last
}

// New makes a notifier, which sends signs of life, if the manager wants any, until Close.
func New(cfg Config) *Notifier {
	n := &Notifier{cfg: cfg, stop: make(chan struct{})}
	interval, err := daemon.SdWatchdogEnabled(false)
	if err != nil {
		cfg.Logger.Warn("the service manager's watchdog is not served", "error", err)
	}
	if interval > 0 {
		n.loop.Go(func() { n.watchdog(interval / 2) })
	}
	return n
}

// Close ends the signs of life.
func (n *Notifier) Close() {
	close(n.stop)
	n.loop.Wait()
}

// Ready tells that the daemon is up, or has reloaded.
func (n *Notifier) Ready() { n.send(daemon.SdNotifyReady) }

// Reloading tells that the configuration is being read again; Ready ends it.
func (n *Notifier) Reloading() {
	n.send(daemon.SdNotifyReloading + "\n" + strings.TrimSpace(daemon.SdNotifyMonotonicUsec()))
}

// Stopping tells that the daemon is about to end.
func (n *Notifier) Stopping() { n.send(daemon.SdNotifyStopping) }

// Status tells in one line what the daemon is at, if that is new.
func (n *Notifier) Status(line string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if line != n.status {
		n.status = line
		n.send("STATUS=" + strings.ReplaceAll(line, "\n", " "))
	}
}

func (n *Notifier) send(state string) {
	if _, err := daemon.SdNotify(false, state); err != nil {
		n.cfg.Logger.Debug("the service manager was not told", "state", state, "error", err)
	}
}

// watchdog sends signs of life. A check that hangs is not asked again until it has answered.
func (n *Notifier) watchdog(every time.Duration) {
	answers := make(chan error, 1)
	asked := false
	timer := n.cfg.Clock.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-n.stop:
			return
		case <-timer.Chan():
			if asked {
				n.cfg.Logger.Error("the engine doesn't answer: the service manager gets no sign of life")
			} else {
				asked = true
				go func() { answers <- n.cfg.Alive() }()
			}
			timer.Reset(every)
		case err := <-answers:
			asked = false
			if err != nil {
				n.cfg.Logger.Error("the service manager gets no sign of life", "error", err)
				continue
			}
			n.send(daemon.SdNotifyWatchdog)
		}
	}
}
