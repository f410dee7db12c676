package store

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// MaxName is the longest name, in bytes, that CheckName accepts.
const MaxName = 200

// CheckName refuses a name that users can't give to an election, a set, a switch, a service or an
// instance. A name may contain "/", but none of the parts between may be empty, "." or "..".
// The error (ErrInvalid) says what is wrong; what says whose name it is ("election").
func CheckName(what, name string) error {
	fault := ""
	switch {
	case name == "":
		fault = "is empty: give it a name"
	case len(name) > MaxName:
		fault = fmt.Sprintf("has %d bytes: use at most %d", len(name), MaxName)
	case !utf8.ValidString(name):
		fault = "is not valid UTF-8"
	case strings.ContainsFunc(name, unicode.IsControl):
		fault = "has a control character: leave it out"
	default:
		for part := range strings.SplitSeq(name, "/") {
			switch part {
			case "":
				fault = `has an empty part: "/" may only stand between two parts`
			case ".", "..":
				fault = fmt.Sprintf("has the part %q: leave it out", part)
			}
		}
	}
	if fault == "" {
		return nil
	}
	return fmt.Errorf("%s name %q %s: %w", what, name, fault, ErrInvalid)
}

// Escape turns any name into one key segment: letters, digits, "-", "_", "~" and "." stand for
// themselves (the latter not first), all other bytes as "%" and two hexadecimal digits. Different
// names give different segments, and no segment is "", "." or "..".
func Escape(name string) string {
	const hex = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(name) {
		c := name[i]
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '-', c == '_', c == '~', c == '.' && i > 0:
			b.WriteByte(c)
		default:
			b.WriteByte('%')
			b.WriteByte(hex[c>>4])
			b.WriteByte(hex[c&15])
		}
	}
	if b.Len() == 0 {
		return "%"
	}
	return b.String()
}

// Unescape reverses Escape. It reports false for a segment that Escape never makes.
func Unescape(segment string) (string, bool) {
	if segment == "%" {
		return "", true
	}
	var b strings.Builder
	for i := 0; i < len(segment); i++ {
		c := segment[i]
		if c != '%' {
			b.WriteByte(c)
			continue
		}
		if i+2 >= len(segment) {
			return "", false
		}
		high, low := strings.IndexByte("0123456789ABCDEF", segment[i+1]), strings.IndexByte("0123456789ABCDEF", segment[i+2])
		if high < 0 || low < 0 {
			return "", false
		}
		b.WriteByte(byte(high<<4 | low))
		i += 2
	}
	name := b.String()
	return name, Escape(name) == segment
}
