package engine

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Explain says in one line why the manifold isn't running, or why its flag is false, from itself to
// the root cause: "waits for gate: not leader of web; leader is box-2". It is empty where there is
// nothing to explain.
func (n Node) Explain() string {
	reasons := make([]string, len(n.Why))
	for i, cause := range n.Why {
		reasons[i] = oneLine(cause.Reason)
	}
	return strings.Join(reasons, ": ")
}

// maxReason is how much of an error or a reason stands in one line, in characters.
const maxReason = 300

// oneLine makes a text of anybody's fit for a line on a terminal: white space becomes one space,
// what can't be printed a replacement character, and a long text is cut.
func oneLine(text string) string {
	text = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) && !unicode.IsSpace(r) {
			return utf8.RuneError
		}
		return r
	}, text)
	return cut(strings.Join(strings.Fields(text), " "), maxReason)
}

// cut shortens a text to so many characters.
func cut(text string, most int) string {
	for at := range text {
		if most == 0 {
			return text[:at] + "…"
		}
		most--
	}
	return text
}

// visible gives the name as it can be shown: what can't be printed, and backslashes, as Go escapes
// them, so that no two names look the same.
func visible(name string) string {
	quoted := strconv.Quote(name)
	if bare := quoted[1 : len(quoted)-1]; strings.Contains(strings.ReplaceAll(bare, `\"`, `"`), `\`) {
		return bare
	}
	return name
}

// age writes how long ago something was, or for how long it has been so, to two units at most.
func age(from, to time.Time) string {
	if from.IsZero() {
		return "-"
	}
	d := max(to.Sub(from), 0)
	const day = 24 * time.Hour
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%ds", d/time.Second)
	case d < time.Hour:
		return fmt.Sprintf("%dm%ds", d/time.Minute, d%time.Minute/time.Second)
	case d < day:
		return fmt.Sprintf("%dh%dm", d/time.Hour, d%time.Hour/time.Minute)
	default:
		return fmt.Sprintf("%dd%dh", d/day, d%day/time.Hour)
	}
}

// times writes a number with its noun.
func times(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
