package endurancetest

import (
	"bytes"
	"cmp"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Census is what this process has at a moment.
type Census struct {
	Goroutines  int
	Descriptors int // 0 where /proc doesn't tell
	Children    int // processes, also such that ended and weren't waited for; 0 where /proc doesn't tell
	Heap        int // bytes in use after a collection of garbage
}

// String implements fmt.Stringer.
func (c Census) String() string {
	return fmt.Sprintf("%d goroutines, %d descriptors, %d children, %d KiB", c.Goroutines, c.Descriptors, c.Children, c.Heap>>10)
}

// Take counts. It collects garbage twice, so that what finalizers let go is gone too.
func Take() Census {
	runtime.GC()
	runtime.GC()
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	return Census{
		Goroutines:  runtime.NumGoroutine(),
		Descriptors: len(descriptors()),
		Children:    children(),
		Heap:        int(memory.HeapAlloc),
	}
}

// AtRest takes a census when what ends by itself has ended: when two in a row, a while apart, have
// no fewer goroutines, descriptors and children, or after a few seconds at the latest.
func AtRest() Census {
	census := Take()
	for range 250 {
		<-time.After(20 * time.Millisecond)
		before := census
		census = Take()
		if census.Goroutines >= before.Goroutines && census.Descriptors >= before.Descriptors && census.Children >= before.Children {
			break
		}
	}
	return census
}

// Slack is by how much a census may exceed an earlier one.
type Slack Census

// Exceeds names what a census has too much of, beside an earlier one; empty: nothing.
func (c Census) Exceeds(before Census, slack Slack) string {
	var over []string
	check := func(what string, now, before, slack int) {
		if now > before+slack {
			over = append(over, fmt.Sprintf("%s from %d to %d (%d more are let pass)", what, before, now, slack))
		}
	}
	check("goroutines", c.Goroutines, before.Goroutines, slack.Goroutines)
	check("descriptors", c.Descriptors, before.Descriptors, slack.Descriptors)
	check("child processes", c.Children, before.Children, slack.Children)
	check("bytes on the heap", c.Heap, before.Heap, slack.Heap)
	return strings.Join(over, ", ")
}

// descriptors gives what each open file of this process is.
func descriptors() map[string]string {
	found := map[string]string{}
	entries, _ := os.ReadDir("/proc/self/fd")
	for _, entry := range entries {
		// The one by which the folder itself was read is gone by now.
		if target, err := os.Readlink("/proc/self/fd/" + entry.Name()); err == nil {
			found[entry.Name()] = target
		}
	}
	return found
}

// children counts processes whose parent is this one.
func children() int {
	n, self := 0, strconv.Itoa(os.Getpid())
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, path := range stats {
		stat, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		// The name, in parentheses, may have anything in it; state and parent follow it.
		if fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:])); len(fields) > 1 && fields[1] == self {
			n++
		}
	}
	return n
}

// Profile is what tells where a census comes from: how many goroutines there are of each stack, and
// how many descriptors of each file.
type Profile struct {
	stacks map[string]int
	files  map[string]int
}

// Look takes a profile.
func Look() Profile {
	p := Profile{stacks: map[string]int{}, files: map[string]int{}}
	for _, target := range descriptors() {
		kind, _, _ := strings.Cut(target, ":[") // socket:[1234]
		p.files[kind]++
	}
	var text bytes.Buffer
	_ = pprof.Lookup("goroutine").WriteTo(&text, 1)
	for part := range strings.SplitSeq(text.String(), "\n\n") {
		count, stack, ok := strings.Cut(part, " @")
		if i := strings.LastIndexByte(count, '\n'); i >= 0 { // after the profile's own first line
			count = count[i+1:]
		}
		_, stack, _ = strings.Cut(stack, "\n")
		if n, err := strconv.Atoi(count); err == nil && ok {
			p.stacks[stack] += n
		}
	}
	return p
}

// More tells, for people, what there is more of than before: the most numerous first.
func (p Profile) More(before Profile) string {
	return "\nfiles:\n" + grown(p.files, before.files) + "goroutines:\n" + grown(p.stacks, before.stacks)
}

func grown(now, before map[string]int) string {
	by := func(what string) int { return now[what] - before[what] }
	var text strings.Builder
	shown := 0
	for _, what := range slices.SortedFunc(maps.Keys(now), func(a, b string) int { return cmp.Compare(by(b), by(a)) }) {
		if by(what) <= 0 || shown == 5 {
			break
		}
		shown++
		fmt.Fprintf(&text, "%+d %s\n", by(what), what)
	}
	return text.String()
}
