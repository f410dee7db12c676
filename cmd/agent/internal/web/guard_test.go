package web_test

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/muster-go/muster/cmd/agent/internal/web"
)

func TestGuard(t *testing.T) {
	hosts := []string{"agents.example.com"}
	tests := []struct {
		name         string
		method, host string
		origin       []string
		local        string // where the connection came to
		code         int
		says         string
	}{
		{name: "the address that it listens on", host: "127.0.0.1:8510", code: 200},
		{name: "another port, as behind a forwarder", host: "127.0.0.1:9999", code: 200},
		{name: "localhost", host: "localhost:8510", code: 200},
		{name: "localhost without a port", host: "LOCALHOST", code: 200},
		{name: "a name below localhost", host: "muster.localhost:8510", code: 200},
		{name: "the IPv6 loopback", host: "[::1]:8510", code: 200},
		{name: "the IPv6 loopback without a port", host: "[::1]", code: 200},
		{name: "a host of the configuration", host: "Agents.example.com:8510", code: 200},
		{name: "the address that the connection came to", host: "192.0.2.7:8510", local: "192.0.2.7:8510", code: 200},
		{name: "an address that it did not come to", host: "192.0.2.8:8510", local: "192.0.2.7:8510", code: 403, says: "192.0.2.8"},
		{name: "a rebound name", host: "evil.example:8510", code: 403, says: "add the name to hosts"},
		{name: "a name that ends like one of ours", host: "evil-localhost", code: 403},
		{name: "a name that begins like one of ours", host: "localhost.evil.example", code: 403},
		{name: "an address as the part of a name", host: "127.0.0.1.evil.example", code: 403},
		{name: "no host, as in a health check by HTTP/1.0", host: "", code: 200},
		{name: "no host, but an origin", host: "", origin: []string{"http://evil.example"}, code: 403},
		{name: "only a port", host: ":8510", code: 403},
		{name: "its own origin", host: "localhost:8510", origin: []string{"http://localhost:8510"}, code: 200},
		{name: "the origin of another site", host: "localhost:8510", origin: []string{"http://evil.example"}, code: 403, says: "Origin"},
		{name: "the origin of another port of this machine", host: "localhost:8510", origin: []string{"http://localhost:3000"}, code: 403},
		{name: "the origin of another scheme", host: "localhost:8510", origin: []string{"https://localhost:8510"}, code: 403},
		{name: "an origin that is hidden", host: "localhost:8510", origin: []string{"null"}, code: 403},
		{name: "two origins", host: "localhost:8510", origin: []string{"http://localhost:8510", "http://evil.example"}, code: 403},
		{name: "HEAD", method: "HEAD", host: "localhost", code: 200},
		{name: "POST", method: "POST", host: "localhost", code: 405, says: "only GET and HEAD"},
		{name: "DELETE", method: "DELETE", host: "localhost", code: 405},
		{name: "OPTIONS, as before a request of a page from elsewhere", method: "OPTIONS", host: "localhost", origin: []string{"http://evil.example"}, code: 403},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			reached := false
			guarded := web.Guard("127.0.0.1:8510", hosts, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				reached = true
				web.Text(w, 200, "ok\n")
			}))
			method := tt.method
			if method == "" {
				method = "GET"
			}
			r := httptest.NewRequest(method, "/livez", nil)
			r.Host = tt.host
			r.Header["Origin"] = tt.origin
			if tt.local != "" {
				local, err := net.ResolveTCPAddr("tcp", tt.local)
				assert.NoError(t, err)
				r = r.WithContext(context.WithValue(r.Context(), http.LocalAddrContextKey, net.Addr(local)))
			}
			w := httptest.NewRecorder()
			guarded.ServeHTTP(w, r)
			assert.Equal(t, tt.code, w.Code)
			assert.Equal(t, tt.code == 200, reached)
			assert.Contains(t, w.Body.String(), tt.says)
			if tt.code == 405 {
				assert.Equal(t, "GET, HEAD", w.Header().Get("Allow"))
			}
		})
	}
}
