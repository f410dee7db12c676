package guard_test

import (
	"encoding/binary"
	"encoding/json"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"github.com/muster-go/muster/cmd/agent/internal/guard"
	"github.com/muster-go/muster/internal/bootclock"
)

// The test binary is the guardian, the agent and the command of its own tests.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case guard.Arg:
			guard.Main()
		case "__house":
			beHouse()
		case "__agent":
			beAgent()
		case "__stamp":
			beStamper()
		}
	}
	flag.Parse()
	must(flag.Set("test.parallel", "8")) // they wait more than they compute
	goleak.VerifyTestMain(m)
}

// agentConfig is what a test wants of an agent in a process of its own.
type agentConfig struct {
	Argv       []string
	TTL, Grace time.Duration
	Extend     time.Duration // every so often to TTL from then; 0: never
	Deadlines  string        // file: the last deadline given
	NoCgroup   bool
	Ignore     []syscall.Signal
}

type agentSays struct {
	Agent, Pid int
	Exit       *guard.Exit
}

// beHouse starts an agent, and ends when that and all that it left are gone. So what a killed agent
// leaves doesn't come to the test's process, where it would be taken for what one of that process's
// own guardians left.
func beHouse() {
	must(unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0))
	_, err := os.StartProcess("/proc/self/exe", append([]string{os.Args[0]}, os.Args[2:]...), &os.ProcAttr{
		Files: []*os.File{os.Stdin, os.Stdout, os.Stderr},
	})
	must(err)
	for {
		if _, err := unix.Wait4(-1, nil, 0, nil); err == unix.ECHILD {
			os.Exit(0)
		}
	}
}

func beAgent() {
	var cfg agentConfig
	must(json.Unmarshal([]byte(os.Args[2]), &cfg))
	for _, s := range cfg.Ignore {
		signal.Ignore(s)
	}
	file, err := os.OpenFile(cfg.Deadlines, os.O_CREATE|os.O_WRONLY, 0o600)
	must(err)
	next := func() time.Time {
		at := bootclock.Clock.Now().Add(cfg.TTL)
		stamp(file, bootclock.FromBoot(at))
		return at
	}
	cmd, err := guard.Start(guard.Config{
		Argv: cfg.Argv, Grace: cfg.Grace, Deadline: next(), NoCgroup: cfg.NoCgroup, Stdout: os.Stderr, Stderr: os.Stderr,
		Logger: slog.New(slog.DiscardHandler),
	})
	must(err)
	say := json.NewEncoder(os.Stdout)
	must(say.Encode(agentSays{Agent: os.Getpid(), Pid: cmd.Pid()}))
	var tick <-chan time.Time
	if cfg.Extend > 0 {
		ticker := time.NewTicker(cfg.Extend)
		defer ticker.Stop()
		tick = ticker.C
	}
	stop := make(chan struct{})
	go func() {
		if _, err := os.Stdin.Read(make([]byte, 1)); err == nil {
			close(stop)
		}
	}()
	for {
		select {
		case <-stop:
			cmd.Stop()
			stop = nil
		case <-tick:
			cmd.Extend(next())
		case <-cmd.Done():
			exit := cmd.Exit()
			must(say.Encode(agentSays{Pid: cmd.Pid(), Exit: &exit}))
			os.Exit(0)
		}
	}
}

// beStamper writes the time again and again to a file, and takes no notice of SIGTERM.
func beStamper() {
	signal.Ignore(syscall.SIGTERM, syscall.SIGHUP)
	file, err := os.OpenFile(os.Args[2], os.O_CREATE|os.O_WRONLY, 0o600)
	must(err)
	for {
		stamp(file, bootNow())
		pause := unix.NsecToTimespec(int64(500 * time.Microsecond))
		_ = unix.Nanosleep(&pause, nil)
	}
}

func stamp(file *os.File, at int64) {
	_, err := file.WriteAt(binary.LittleEndian.AppendUint64(nil, uint64(at)), 0)
	must(err)
}

func lastStamp(path string) int64 {
	b, err := os.ReadFile(path)
	if err != nil || len(b) < 8 {
		return 0
	}
	return int64(binary.LittleEndian.Uint64(b))
}

func bootNow() int64 {
	var ts unix.Timespec
	must(unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts))
	return ts.Nano()
}

// parentOf is 0 if there is no such process, also if it is a zombie that nobody reaped: see exists.
func parentOf(pid int) int {
	var name, state string
	var parent int
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return 0
	}
	if _, err := fmt.Sscanf(string(b), "%d %s %s %d", &pid, &name, &state, &parent); err != nil || state == "Z" {
		return 0
	}
	return parent
}

// exists is true for zombies too.
func exists(pid int) bool { return unix.Kill(pid, 0) == nil }

func must(err error) {
	if err != nil {
		panic(err)
	}
}
