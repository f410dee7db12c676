package guard

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"

	"golang.org/x/sys/unix"
)

// The guardian's files.
const (
	controlFD = 3 + iota // setup and orders, one JSON object a line; its end is the agent's death
	statusFD             // reports, likewise
	stdinFD              // the command's own
	stdoutFD
	stderrFD
)

// setup is the first line to the guardian. What may not be UTF-8 travels as bytes.
type setup struct {
	Path, Dir, Cgroup []byte
	Argv, Env         [][]byte
	Grace, Deadline   int64
}

// order is each further line to the guardian.
type order struct {
	Deadline int64 `json:",omitempty"`
	Signal   int   `json:",omitempty"`
	Stop     bool  `json:",omitempty"`
}

// report is a line from the guardian; it says one thing.
type report struct {
	Ready      bool   `json:",omitempty"` // the guardian is up: the first one
	Pid        int    `json:",omitempty"` // the command runs
	Late       bool   `json:",omitempty"` // it was not started: the deadline is too near
	Errno      int    `json:",omitempty"` // it was not started: why
	Doing      string `json:",omitempty"` // what failed with Errno
	Ack        int64  `json:",omitempty"` // a deadline is in force
	Stopping   bool   `json:",omitempty"` // the stop has begun
	ByDeadline bool   `json:",omitempty"` // with Stopping: the deadline began it
	Killing    bool   `json:",omitempty"` // SIGKILL was sent
	Ended      bool   `json:",omitempty"` // all are gone
	Status     uint32 `json:",omitempty"` // with Ended: the wait status
}

func toBytes(ss []string) [][]byte {
	bs := make([][]byte, len(ss))
	for i, s := range ss {
		bs[i] = []byte(s)
	}
	return bs
}

func toStrings(bs [][]byte) []string {
	ss := make([]string, len(bs))
	for i, b := range bs {
		ss[i] = string(b)
	}
	return ss
}

func encode(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // only plain fields
	}
	return append(b, '\n')
}

// lines cuts what comes from a file descriptor into lines.
type lines struct {
	fd  int
	buf []byte
}

// next decodes one line. The error is unix.EAGAIN if the descriptor doesn't block and there is no
// whole line, io.EOF at the end.
func (l *lines) next(v any) error {
	for {
		if line, rest, ok := bytes.Cut(l.buf, []byte{'\n'}); ok {
			l.buf = rest
			return json.Unmarshal(line, v)
		}
		chunk := make([]byte, 4096)
		n, err := unix.Read(l.fd, chunk)
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return err
		case n == 0:
			return io.EOF
		default:
			l.buf = append(l.buf, chunk[:n]...)
		}
	}
}
