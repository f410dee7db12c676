package etcdstore

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/muster-go/muster/store"
)

// version is that of a server; what follows the patch number doesn't count.
type version struct{ major, minor, patch int }

// parseVersion reads "3.5.13", also with something behind a "-" or "+"; false: it isn't like that.
func parseVersion(text string) (version, bool) {
	text, _, _ = strings.Cut(text, "+")
	text, _, _ = strings.Cut(text, "-")
	parts := strings.Split(strings.TrimPrefix(text, "v"), ".")
	if len(parts) != 3 {
		return version{}, false
	}
	var n [3]int
	for i, part := range parts {
		number, err := strconv.ParseUint(part, 10, 31)
		if err != nil {
			return version{}, false
		}
		n[i] = int(number)
	}
	return version{n[0], n[1], n[2]}, true
}

// revokesWrongly says that a leader of this version that was stuck, and deposed meanwhile, revokes
// leases that are alive at its successor: etcd issue 15247, mended in 3.4.31 and 3.5.13.
func (v version) revokesWrongly() bool {
	switch {
	case v.major != 3:
		return v.major < 3
	case v.minor == 4:
		return v.patch < 31
	case v.minor == 5:
		return v.patch < 13
	}
	return v.minor < 4
}

// checkVersion refuses a server whose version has a known defect. One that can't be read is let
// pass.
func checkVersion(endpoint, text string) error {
	v, ok := parseVersion(text)
	if !ok || !v.revokesWrongly() {
		return nil
	}
	return fmt.Errorf("%s: etcd %s can revoke leases that are alive, after its leader was stuck (issue 15247), and two could lead at once: upgrade to 3.4.31, 3.5.13 or later: %w",
		endpoint, text, store.ErrInvalid)
}
