package store_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/muster-go/muster/store"
)

func TestCheckNameRefusesWhatCannotBeAName(t *testing.T) {
	for name, want := range map[string]string{
		"":                        "is empty",
		"..":                      `has the part ".."`,
		"../escape":               `has the part ".."`,
		"a/../b":                  `has the part ".."`,
		"a/./b":                   `has the part "."`,
		"/a":                      "has an empty part",
		"a/":                      "has an empty part",
		"a//b":                    "has an empty part",
		"a\nb":                    "control character",
		"a\x00":                   "control character",
		"\xff":                    "not valid UTF-8",
		strings.Repeat("x", 1000): "has 1000 bytes: use at most 200",
	} {
		err := store.CheckName("election", name)
		require.ErrorIs(t, err, store.ErrInvalid, "%q", name)
		assert.ErrorContains(t, err, want)
		assert.ErrorContains(t, err, "election name")
	}
	for _, name := range []string{"scout", "scout-eu", "team/web", "名前", "a b", "...", ".hidden", "100%"} {
		assert.NoError(t, store.CheckName("election", name), "%q", name)
	}
}

func TestEscapeIsOneToOneAndMakesSafeSegments(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := rapid.String().Draw(t, "a"), rapid.String().Draw(t, "b")
		checkEscape(t, a)
		if a != b && store.Escape(a) == store.Escape(b) {
			t.Fatalf("%q and %q have the same segment", a, b)
		}
	})
}

func checkEscape(t interface{ Fatalf(string, ...any) }, name string) {
	segment := store.Escape(name)
	if segment == "" || segment == "." || segment == ".." || strings.ContainsAny(segment, "/\x00 ") {
		t.Fatalf("%q gives the segment %q", name, segment)
	}
	if back, ok := store.Unescape(segment); !ok || back != name {
		t.Fatalf("%q came back as %q, %v", name, back, ok)
	}
}

func FuzzEscape(f *testing.F) {
	f.Add("scout-eu")
	f.Add("../..")
	f.Add("")
	f.Fuzz(func(t *testing.T, name string) {
		checkEscape(t, name)
		if back, ok := store.Unescape(name); ok && store.Escape(back) != name {
			t.Fatalf("segment %q is not the one of its name %q", name, back)
		}
	})
}
