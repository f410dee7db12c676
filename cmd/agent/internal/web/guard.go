package web

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
)

// Guard lets requests through to next that name this daemon: in Host a loopback address, localhost
// or a name below it, the address that the connection came to, the host of listen, or one of hosts,
// with any port, as there may be a forwarder between, or nothing, as health checks by HTTP/1.0 do and
// browsers don't; and as their Origin nothing or the same as in Host. Others get 403 with the reason, and any other method than GET and HEAD 405.
func Guard(listen string, hosts []string, next http.Handler) http.Handler {
	own := slices.Clone(hosts)
	if host, _, err := net.SplitHostPort(listen); err == nil {
		own = append(own, host)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case !known(r, own):
			Text(w, http.StatusForbidden, fmt.Sprintf("Host %q is not this daemon's: use the address that it listens on (%s), or add the name to hosts in its configuration\n", r.Host, listen))
		case !sameOrigin(r):
			Text(w, http.StatusForbidden, fmt.Sprintf("Origin %q is another site: this daemon answers to pages of its own only\n", r.Header.Get("Origin")))
		case r.Method != http.MethodGet && r.Method != http.MethodHead:
			w.Header().Set("Allow", "GET, HEAD")
			Text(w, http.StatusMethodNotAllowed, fmt.Sprintf("method %s: only GET and HEAD are answered\n", r.Method))
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// known says whether Host names this daemon.
func known(r *http.Request, own []string) bool {
	host := strings.ToLower(hostOf(r.Host))
	if r.Host == "" || host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	if slices.ContainsFunc(own, func(name string) bool { return strings.EqualFold(name, host) }) {
		return true
	}
	// A name can be rebound to any address, an address can't.
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return false
	}
	local, _ := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	return ip.Unmap().IsLoopback() || local != nil && sameAddress(ip, local)
}

func sameAddress(ip netip.Addr, local net.Addr) bool {
	at, err := netip.ParseAddrPort(local.String())
	return err == nil && at.Addr().Unmap().WithZone("") == ip.Unmap().WithZone("")
}

// hostOf takes the port and the brackets off.
func hostOf(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		return name
	}
	return strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
}

// sameOrigin says whether the request comes from a page of this daemon, or from no page at all.
func sameOrigin(r *http.Request) bool {
	origins := r.Header.Values("Origin")
	for _, origin := range origins {
		u, err := url.Parse(origin)
		if err != nil || u.Scheme != "http" || !strings.EqualFold(u.Host, r.Host) {
			return false
		}
	}
	return true
}
