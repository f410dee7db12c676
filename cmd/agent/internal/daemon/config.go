package daemon

import (
	"log/slog"
	"net"
	"os"

	"github.com/muster-go/muster/cmd/agent/internal/config"
	"github.com/muster-go/muster/cmd/agent/internal/say"
	"github.com/muster-go/muster/cmd/agent/internal/statedir"
	"github.com/muster-go/muster/store"
)

// Config is one `agent serve`. All fields are required; they have been checked by the caller.
type Config struct {
	File *config.Config
	// Reload reads the file again. Its error may be config.Faults.
	Reload func() (*config.Config, error)

	StoreURL string
	Openers  store.Openers
	Node     string
	Listener net.Listener    // Run closes it
	Hosts    []string        // further names under which requests may come
	State    *statedir.Claim // Run releases it

	Version, Revision string   // of this build
	Stdout, Stderr    *os.File // the commands'
	Say               *say.Printer
	Logger            *slog.Logger
}
