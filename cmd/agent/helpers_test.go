package main

import (
	"fmt"
	"io"
	"os"
	"os/signal"
	"strconv"
	"syscall"

	"github.com/muster-go/muster/internal/stamptest"
)

// helpers are the commands that tests run under the agent: portable, and exact.
var helpers = map[string]func(args []string){
	stamptest.Word:   func(args []string) { stamptest.Command(args[0], args[1:]...) },
	"helper-exit":    func(args []string) { n, _ := strconv.Atoi(args[0]); os.Exit(n) },
	"helper-env":     func([]string) { printEnv() },
	"helper-cat":     func([]string) { _, _ = io.Copy(os.Stdout, os.Stdin) },
	"helper-signals": func([]string) { printSignals() },
	"helper-sleep":   func([]string) { fmt.Println("sleeping"); select {} },
	"helper-stop":    func([]string) { stopSlowly() },
	"helper-suicide": func([]string) { _ = syscall.Kill(os.Getpid(), syscall.SIGKILL); select {} },
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
