package consulstore

import (
	"os"
	"strings"
	"sync"
)

// token is the ACL token. One in a file is read again for each request: tokens are changed under
// living processes. While the file can't be read, the latest is used.
type token struct {
	file string // empty: none

	mu     sync.Mutex
	latest string
}

func (t *token) read() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.file != "" {
		if data, err := os.ReadFile(t.file); err == nil && len(data) > 0 {
			t.latest = strings.TrimSpace(string(data))
		}
	}
	return t.latest
}
