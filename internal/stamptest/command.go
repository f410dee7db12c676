package stamptest

import (
	"encoding/binary"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/muster-go/muster/internal/bootclock"
)

// Word is the first argument of the process that runs Command; the folder and the words follow.
const Word = "helper-stamp"

// Stubborn as a word has the command ignore every signal that can be ignored.
const Stubborn = "stubborn"

// Now is the present moment as the notes have it: nanoseconds on the boot-time clock.
func Now() int64 { return bootclock.FromBoot(bootclock.Clock.Now()) }

// Command notes its life in the folder until it is killed. MUSTER_TOKEN and MUSTER_NODE say whose
// command it is.
func Command(folder string, words ...string) {
	start := Now()
	if len(words) > 0 && words[0] == Stubborn {
		signal.Ignore(syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP)
	}
	others, _ := filepath.Glob(filepath.Join(folder, "*.start"))
	var living []string
	for _, other := range others {
		var pid int
		text, _ := os.ReadFile(other)
		if _, err := fmt.Sscanf(string(text), "%d", &pid); err == nil && alive(pid) {
			living = append(living, filepath.Base(other))
		}
	}
	base := filepath.Join(folder, fmt.Sprintf("%s-%d", os.Getenv("MUSTER_TOKEN"), os.Getpid()))
	file, err := os.Create(base + ".alive")
	if err != nil {
		panic(err)
	}
	text := fmt.Sprintf("%d %d %s %s\n", os.Getpid(), start, os.Getenv("MUSTER_NODE"), strings.Join(living, ","))
	// Made whole before it is seen.
	if err := os.WriteFile(base+".tmp", []byte(text), 0o600); err != nil {
		panic(err)
	}
	if err := os.Rename(base+".tmp", base+".start"); err != nil {
		panic(err)
	}
	var buf [8]byte
	for {
		binary.LittleEndian.PutUint64(buf[:], uint64(Now()))
		if _, err := file.WriteAt(buf[:], 0); err != nil {
			panic(err)
		}
		time.Sleep(time.Millisecond) // this is the command, not a test
	}
}

// alive tells whether a stamping command runs; a zombie doesn't.
func alive(pid int) bool {
	line, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid)) // empty for a zombie
	if !strings.Contains(string(line), Word) {
		return false
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	_, rest, ok := strings.Cut(string(stat), ") ")
	return ok && !strings.HasPrefix(rest, "Z") && !strings.HasPrefix(rest, "X")
}
