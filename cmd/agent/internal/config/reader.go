package config

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"

	"github.com/muster-go/muster/internal/nearest"
)

// reader turns nodes into values and collects the faults.
type reader struct {
	path   string
	faults Faults
}

func (r *reader) fault(n *yaml.Node, format string, args ...any) {
	r.faults = append(r.faults, Fault{Path: r.path, Line: n.Line, Column: n.Column, Text: fmt.Sprintf(format, args...)})
}

// entry is a key of a mapping with its value.
type entry struct{ key, value *yaml.Node }

// entries gives the entries of a mapping; what says whose it is. Each key is text and stands once.
func (r *reader) entries(n *yaml.Node, what string) []entry {
	n = target(n)
	if n.Kind != yaml.MappingNode {
		r.fault(n, "%s is %s: want keys with values, one a line, like %q", what, kind(n), "key: value")
		return nil
	}
	var list []entry
	first := map[string]*yaml.Node{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		switch before := first[key.Value]; {
		case key.Kind != yaml.ScalarNode:
			r.fault(key, "a key of %s is %s: want a word", what, kind(key))
		case key.ShortTag() == "!!merge":
			r.fault(key, `%s: the key "<<" merges another mapping, which isn't supported: write its keys out`, what)
		case before != nil:
			r.fault(key, "%s: key %q stands twice, first in line %d: leave one of them out", what, key.Value, before.Line)
		default:
			first[key.Value] = key
			list = append(list, entry{key, value})
		}
	}
	return list
}

// mapping reads a mapping with known keys; each value goes to the function of its key. A value that
// is null is left at its default.
func (r *reader) mapping(n *yaml.Node, what string, fields map[string]func(*yaml.Node)) {
	if null(target(n)) {
		return
	}
	var known []string
	for name := range fields {
		known = append(known, name)
	}
	slices.Sort(known)
	for _, e := range r.entries(n, what) {
		field, ok := fields[e.key.Value]
		switch {
		case !ok:
			r.fault(e.key, "%s: unknown key %q: %s", what, e.key.Value, suggest(e.key.Value, known))
		case !null(target(e.value)):
			field(target(e.value))
		}
	}
}

// suggest says which of the known words may be meant.
func suggest(word string, known []string) string {
	if near := nearest.Name(word, known); near != "" {
		return "did you mean " + near + "?"
	}
	return "known are " + strings.Join(known, ", ")
}

// text reads a text that isn't empty.
func (r *reader) text(n *yaml.Node, what string) (string, bool) {
	switch {
	case n.Kind != yaml.ScalarNode || n.ShortTag() != "!!str":
		r.fault(n, "%s is %s: want text (put it in quotes if it is)", what, kind(n))
		return "", false
	case n.Value == "":
		r.fault(n, "%s is empty: give it a value, or leave the key out", what)
		return "", false
	}
	return n.Value, true
}

// word reads any scalar as it is written: an argument 010 is the text 010.
func (r *reader) word(n *yaml.Node, what string) string {
	n = target(n)
	switch {
	case n.Kind != yaml.ScalarNode || null(n):
		r.fault(n, `%s is %s: want text; an empty one is ""`, what, kind(n))
	case strings.ContainsRune(n.Value, 0):
		r.fault(n, "%s contains a NUL character: leave it out", what)
	}
	return n.Value
}

// list reads a sequence; item says what one of its items is called.
func (r *reader) list(n *yaml.Node, what string, read func(item *yaml.Node)) {
	if n.Kind != yaml.SequenceNode {
		r.fault(n, "%s is %s: want a list like [a, b]", what, kind(n))
		return
	}
	for _, item := range n.Content {
		read(target(item))
	}
}

// choice reads one of some words.
func (r *reader) choice(n *yaml.Node, what string, values []string) string {
	text, ok := r.text(n, what)
	if ok && !slices.Contains(values, text) {
		r.fault(n, "%s %q: want %s", what, text, strings.Join(values, " or "))
	}
	return text
}

// duration reads a length of time above zero.
func (r *reader) duration(n *yaml.Node, what string) (time.Duration, bool) {
	const like = "write one like 500ms, 15s or 1m30s"
	if n.Kind != yaml.ScalarNode {
		r.fault(n, "%s is %s: want a length of time: %s", what, kind(n), like)
		return 0, false
	}
	value, err := time.ParseDuration(n.Value)
	switch tag := n.ShortTag(); {
	case err != nil && (tag == "!!int" || tag == "!!float"):
		r.fault(n, "%s %s has no unit: %s", what, n.Value, like)
	case err != nil:
		r.fault(n, "%s %q is not a length of time: %s", what, n.Value, like)
	case value <= 0:
		r.fault(n, "%s %s must be more than 0: %s", what, n.Value, like)
	default:
		return value, true
	}
	return 0, false
}

// target follows an alias.
func target(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode {
		return n.Alias // which is no alias
	}
	return n
}

func null(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null" }

// kind says what a node is, for people.
func kind(n *yaml.Node) string {
	switch {
	case n.Kind == yaml.MappingNode:
		return "a mapping"
	case n.Kind == yaml.SequenceNode:
		return "a list"
	case null(n):
		return "empty"
	}
	switch n.ShortTag() {
	case "!!str":
		return fmt.Sprintf("the text %q", n.Value)
	case "!!int", "!!float":
		return "the number " + n.Value
	case "!!bool":
		return "the truth value " + n.Value
	case "!!timestamp":
		return "the date " + n.Value
	}
	return fmt.Sprintf("%q", n.Value)
}
