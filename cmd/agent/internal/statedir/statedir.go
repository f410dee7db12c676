package statedir

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/muster-go/muster/cmd/agent/internal/exit"
)

// The files in the folder.
const (
	fileName = "daemon.json"
	lockName = "daemon.lock"
)

// Daemon is what a daemon says of itself.
type Daemon struct {
	PID     int    `json:"pid"`
	Address string `json:"address"` // host:port, to ask by HTTP
	ID      string `json:"id"`      // random; what answers at Address gives the same, or is another
}

// Claim is a daemon's hold on its folder.
type Claim struct {
	dir  string
	lock *os.File
}

// Take makes the folder, if need be, and claims it for this process. The error has an exit code, and
// says so if another daemon has the folder.
func Take(dir string) (*Claim, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, refused(err, "can't make the state folder")
	}
	lock, err := os.OpenFile(filepath.Join(dir, lockName), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, refused(err, "can't lock the state folder")
	}
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		_ = lock.Close()
		if !errors.Is(err, unix.EWOULDBLOCK) {
			return nil, refused(fmt.Errorf("%s: %w", dir, err), "can't lock the state folder")
		}
		who := ""
		if other, err := read(dir); err == nil {
			who = fmt.Sprintf(" (pid %d, on %s)", other.PID, other.Address)
		}
		return nil, exit.Errorf(exit.Value, "another daemon%s has the state folder %s: stop it, or give this one a folder of its own with --state-dir", who, dir)
	}
	claim := &Claim{dir, lock}
	if err := claim.Withdraw(); err != nil { // what a daemon that was killed left behind
		claim.Release()
		return nil, refused(err, "can't tidy up the state folder")
	}
	return claim, nil
}

func refused(err error, what string) error {
	code := exit.Value
	if errors.Is(err, fs.ErrPermission) {
		code = exit.Denied
	}
	return exit.Errorf(code, "%s: %w: mend that, or name another folder with --state-dir", what, err)
}

// Publish says where the daemon can be asked; the file appears whole or not at all.
func (c *Claim) Publish(d Daemon) error {
	text, err := json.Marshal(d)
	if err != nil {
		return err
	}
	file, err := os.CreateTemp(c.dir, fileName+".*") // 0600
	if err != nil {
		return err
	}
	_, err = file.Write(append(text, '\n'))
	err = errors.Join(err, file.Close())
	if err == nil {
		err = os.Rename(file.Name(), filepath.Join(c.dir, fileName))
	}
	if err != nil {
		return errors.Join(err, os.Remove(file.Name()))
	}
	return nil
}

// Withdraw takes the file away: the daemon doesn't answer any more. Calling it again is harmless.
func (c *Claim) Withdraw() error {
	if err := os.Remove(filepath.Join(c.dir, fileName)); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// Release gives the folder up; call Withdraw before. The lock's file stays: who removed it could
// remove the one that a next daemon has locked.
func (c *Claim) Release() { _ = c.lock.Close() } // nothing was written to it

// Find tells which daemon has the folder, by its file. A daemon that was killed leaves its file
// behind: see Gone. The error has an exit code.
func Find(dir string) (Daemon, error) {
	d, err := read(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return Daemon{}, exit.Errorf(exit.Unavailable, "no daemon says in %s where it is: start one with agent serve, or name its address with --addr (or its folder with --state-dir)", dir)
	case errors.Is(err, fs.ErrPermission):
		return Daemon{}, exit.Errorf(exit.Denied, "%w: ask as the daemon's user, or name its address with --addr", err)
	case err != nil:
		return Daemon{}, exit.Errorf(exit.Value, "%s: %w: remove the file, and start the daemon again", filepath.Join(dir, fileName), err)
	}
	return d, nil
}

// Gone is the error for a daemon that doesn't answer where its file says, for the given reason, or
// in whose place another program does.
func Gone(dir string, d Daemon, reason error) error {
	return exit.Errorf(exit.Unavailable, "the daemon of %s (pid %d, on %s) is gone, and left without a farewell: start it again with agent serve: %w", dir, d.PID, d.Address, reason)
}

func read(dir string) (Daemon, error) {
	text, err := os.ReadFile(filepath.Join(dir, fileName))
	if err != nil {
		return Daemon{}, err
	}
	var d Daemon
	err = json.Unmarshal(text, &d)
	return d, err
}
