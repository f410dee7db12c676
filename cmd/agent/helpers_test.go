package main

import (
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/muster-go/muster/internal/bootclock"
)

// helpers are the commands that tests run under the agent: portable, and exact.
var helpers = map[string]func(args []string){
	"helper-stamp":   func(args []string) { stamp(args[0], args[1:]) },
	"helper-exit":    func(args []string) { n, _ := strconv.Atoi(args[0]); os.Exit(n) },
	"helper-env":     func([]string) { printEnv() },
	"helper-cat":     func([]string) { _, _ = io.Copy(os.Stdout, os.Stdin) },
	"helper-signals": func([]string) { printSignals() },
	"helper-sleep":   func([]string) { fmt.Println("sleeping"); select {} },
	"helper-stop":    func([]string) { stopSlowly() },
	"helper-suicide": func([]string) { _ = syscall.Kill(os.Getpid(), syscall.SIGKILL); select {} },
}

func bootNow() int64 { return bootclock.FromBoot(bootclock.Clock.Now()) }

// stamp notes when this command began, which other commands lived then, and, over and over, that
// it lives. With the word "stubborn" it ignores every signal that can be.
func stamp(folder string, words []string) {
	start := bootNow()
	if len(words) > 0 && words[0] == "stubborn" {
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
		binary.LittleEndian.PutUint64(buf[:], uint64(bootNow()))
		if _, err := file.WriteAt(buf[:], 0); err != nil {
			panic(err)
		}
		time.Sleep(time.Millisecond) // this is the command, not a test
	}
}

// alive tells whether a stamping command runs; a zombie doesn't.
func alive(pid int) bool {
	line, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid)) // empty for a zombie
	if !strings.Contains(string(line), "helper-stamp") {
		return false
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	_, rest, ok := strings.Cut(string(stat), ") ")
	return ok && !strings.HasPrefix(rest, "Z") && !strings.HasPrefix(rest, "X")
}

func printEnv() {
	fmt.Printf("election=%s token=%s node=%s\n", os.Getenv("MUSTER_ELECTION"), os.Getenv("MUSTER_TOKEN"), os.Getenv("MUSTER_NODE"))
}

// printSignals prints each signal that it gets; SIGUSR2 ends it.
func printSignals() {
	c := make(chan os.Signal, 16)
	signal.Notify(c, syscall.SIGHUP, syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGWINCH, syscall.SIGQUIT)
	fmt.Println("ready")
	for s := range c {
		fmt.Println("got", s)
		if s == syscall.SIGUSR2 {
			return
		}
	}
}

// stopSlowly prints the signals that would end it, and goes on.
func stopSlowly() {
	c := make(chan os.Signal, 16)
	signal.Notify(c, syscall.SIGINT, syscall.SIGTERM)
	fmt.Println("ready")
	for s := range c {
		fmt.Println("got", s)
	}
}
