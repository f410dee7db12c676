// Command consul is Consul's agent, and nothing else of it, as a server for tests: "consul agent …".
// Consul 1.14 (licence MPL-2.0) is the last that can be built from modules alone. Two of those that it
// names are replaced by stubs: one looks for servers in clouds, the other can't be had any more.
package main

import (
	"io"
	"log"
	"os"

	"github.com/hashicorp/consul/command/agent"
	"github.com/hashicorp/consul/command/cli"
	mcli "github.com/mitchellh/cli"
)

func main() {
	if len(os.Args) < 2 || os.Args[1] != "agent" {
		_, _ = io.WriteString(os.Stderr, "usage: consul agent OPTION…\n")
		os.Exit(64)
	}
	log.SetOutput(io.Discard)
	ui := &cli.BasicUI{BasicUi: mcli.BasicUi{Writer: os.Stdout, ErrorWriter: os.Stderr}}
	os.Exit(agent.New(ui).Run(os.Args[2:]))
}
