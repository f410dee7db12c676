package history_test

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"slices"
	"sync"

	"golang.org/x/sys/unix"
)

// bootTime is the clock that all processes of a machine share. Each reads it directly, so that
// readings of different processes can be compared to the nanosecond.
func bootTime() int64 {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts); err != nil {
		panic(err)
	}
	return ts.Nano()
}

// entry is a line of a journal: the call of an operation, or its return.
type entry struct {
	N       int    `json:"n"` // of the operation, from 1
	At      int64  `json:"at"`
	Lane    int    `json:"lane,omitempty"`
	What    string `json:"what,omitempty"` // of a call; a return has none
	Token   uint64 `json:"token,omitempty"`
	Value   string `json:"value,omitempty"`
	Seen    uint64 `json:"seen,omitempty"`
	Outcome string `json:"outcome,omitempty"`
	Until   int64  `json:"until,omitempty"`
	Note    string `json:"note,omitempty"` // an error, for those who read journals
}

// journal is what a worker notes. Each line is in the file before noting it returns, so a killed
// worker loses at most the return of what it was doing.
type journal struct {
	mu   sync.Mutex
	file *os.File
	last int
}

func openJournal(path string) (*journal, error) {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	return &journal{file: file}, err
}

func (j *journal) note(e entry) {
	line, err := json.Marshal(e)
	if err == nil {
		_, err = j.file.Write(append(line, '\n'))
	}
	if err != nil {
		panic(err) // a history with holes proves nothing
	}
}

// call notes that an operation begins now; its return must be given to done.
func (j *journal) call(lane int, what string, token uint64, value string) (begun entry) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.last++
	begun = entry{N: j.last, At: bootTime(), Lane: lane, What: what, Token: token, Value: value}
	j.note(begun)
	return begun
}

// done notes a return: of is what call gave, with what is known now.
func (j *journal) done(of entry) {
	of.At, of.What = bootTime(), ""
	j.mu.Lock()
	defer j.mu.Unlock()
	j.note(of)
}

// reader follows a journal as it grows.
type reader struct {
	worker int
	file   *os.File
	rest   []byte // a line that isn't whole yet
	ops    []operation
	at     map[int]int // where in ops an operation is, by its number
}

// read takes in what was noted since. What a killed worker had begun to write is never whole.
func (r *reader) read() error {
	text, err := io.ReadAll(r.file)
	if err != nil {
		return err
	}
	r.rest = append(r.rest, text...)
	for {
		line, rest, whole := bytes.Cut(r.rest, []byte("\n"))
		if !whole {
			return nil
		}
		r.rest = slices.Clone(rest)
		var e entry
		if err := json.Unmarshal(line, &e); err != nil {
			return err
		}
		r.add(e)
	}
}

func (r *reader) add(e entry) {
	if e.What != "" {
		r.at[e.N] = len(r.ops)
		r.ops = append(r.ops, operation{worker: r.worker, lane: e.Lane, what: e.What, token: e.Token, value: e.Value, call: e.At})
		return
	}
	op := &r.ops[r.at[e.N]]
	op.ret, op.token, op.value, op.seen, op.outcome, op.until = e.At, e.Token, e.Value, e.Seen, e.Outcome, e.Until
}
