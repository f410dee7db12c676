//go:build unix

package sqlstore_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/muster-go/muster/store"
)

// parts are what other processes do in these tests.
var parts = map[string]func(args []string) error{
	"hold":     holdPart,
	"unproven": unprovenPart,
	"hammer":   hammerPart,
	"nobody":   nobodyPart,
}

// holdPart opens the database, says whether it has the proof, and keeps it open until its input
// ends.
func holdPart(args []string) error {
	d, err := openAt(args[0])
	if err != nil {
		return err
	}
	proof, err := d.Proof(context.Background())
	if err != nil {
		return err
	}
	fmt.Println(proof)
	_, _ = io.Copy(io.Discard, os.Stdin)
	return d.Close()
}

// unprovenPart opens the database, doesn't ask for the proof, and keeps it open until it is killed.
func unprovenPart(args []string) error {
	d, err := openAt(args[0])
	if err != nil {
		return err
	}
	fmt.Println("open")
	_, _ = io.Copy(io.Discard, os.Stdin)
	return d.Close()
}

// hammerPart adds one to a number in the store, again and again, and prints the revision of each
// of its writes.
func hammerPart(args []string) error {
	d, err := openAt(args[0])
	if err != nil {
		return err
	}
	times, err := strconv.Atoi(args[1])
	if err != nil {
		return err
	}
	for range times {
		for {
			rev, err := increment(d)
			if err == nil {
				fmt.Println(rev)
				break
			}
			if !errors.Is(err, store.ErrConflict) {
				return err
			}
		}
	}
	return d.Close()
}

func increment(d store.Driver) (uint64, error) {
	snapshot, err := d.List(context.Background(), "number")
	if err != nil {
		return 0, err
	}
	w := store.Write{Kind: store.Create, Key: "number", Value: []byte("1")}
	if len(snapshot.Records) > 0 {
		r := snapshot.Records[0]
		n, err := strconv.Atoi(string(r.Value))
		if err != nil {
			return 0, err
		}
		w.Kind, w.If, w.Value = store.Update, r.ModRev, []byte(strconv.Itoa(n+1))
	}
	outcomes, err := d.Apply(context.Background(), []store.Write{w})
	if err != nil {
		return 0, err
	}
	return outcomes[0].Rev, outcomes[0].Err
}

// process is another process that plays a part.
type process struct {
	*exec.Cmd
	in  io.WriteCloser
	out *bufio.Scanner
}

func start(t testing.TB, part string, args ...string) *process {
	t.Helper()
	exe, err := os.Executable()
	require.NoError(t, err)
	p := &process{Cmd: exec.Command(exe, args...)}
	p.Env = append(os.Environ(), partVariable+"="+part)
	p.Stderr = os.Stderr
	p.in, err = p.StdinPipe()
	require.NoError(t, err)
	out, err := p.StdoutPipe()
	require.NoError(t, err)
	p.out = bufio.NewScanner(out)
	require.NoError(t, p.Start())
	t.Cleanup(func() {
		_ = p.Process.Kill() // if the test hasn't waited for it
		_ = p.Wait()
	})
	return p
}

// line gives the next line that the process prints.
func (p *process) line(t testing.TB) string {
	t.Helper()
	require.True(t, p.out.Scan(), "the process ended instead of printing a line")
	return p.out.Text()
}

// end lets a holdPart end in good order.
func (p *process) end(t testing.TB) {
	t.Helper()
	require.NoError(t, p.in.Close())
	require.NoError(t, p.Wait())
}

// nobodyPart gives up root's rights, if it has them, and says how opening fails.
func nobodyPart(args []string) error {
	if os.Geteuid() == 0 {
		if err := errors.Join(syscall.Setgroups(nil), syscall.Setgid(65534), syscall.Setuid(65534)); err != nil {
			return err
		}
	}
	d, err := openAt(args[0])
	fmt.Println(errors.Is(err, store.ErrUnauthorized), err)
	if err == nil {
		return d.Close()
	}
	return nil
}
