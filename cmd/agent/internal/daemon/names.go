package daemon

import (
	"fmt"
	"time"
)

// The names of manifolds. Those of an election have its name in parentheses: it may contain any
// character, and one that ends with "?" would be taken for an optional input.
const (
	storeName = "store"
	httpName  = "http"
)

func claimerName(ttl time.Duration) string { return fmt.Sprintf("claimer(%v)", ttl) }
func trackerName(election string) string   { return "tracker(" + election + ")" }
func gateName(election string) string      { return "gate(" + election + ")" }
func commandName(election string) string   { return "command(" + election + ")" }
func newsName(election string) string      { return "news(" + election + ")" }
