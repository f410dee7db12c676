package consulstore

import (
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/hashicorp/consul/api"
)

const (
	// idleTime is for how long a connection that nobody uses is kept.
	idleTime = 30 * time.Second
	// deadPeer is for how long a connection may be dead before the kernel says so.
	deadPeer = 15 * time.Second
)

// newTransport makes the connections. They speak HTTP/1.1: one request at a time, so that one that is
// given up takes its connection along, which may be dead.
func (a *address) newTransport() *http.Transport {
	dialer := &net.Dialer{
		Timeout:         connectTime,
		KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: deadPeer / 3, Interval: deadPeer / 5, Count: 3},
	}
	return &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		DialContext:         dialer.DialContext,
		TLSClientConfig:     a.tls,
		TLSHandshakeTimeout: connectTime,
		MaxIdleConnsPerHost: 16,
		IdleConnTimeout:     idleTime,
	}
}

// newClient makes Consul's client.
func (a *address) newClient(transport *http.Transport, requests *atomic.Int64) (*api.Client, error) {
	scheme := "http"
	if a.tls != nil {
		scheme = "https"
	}
	return api.NewClient(&api.Config{
		Address: a.host, Scheme: scheme, Datacenter: a.datacenter, Transport: transport,
		HttpClient: &http.Client{
			Transport:     &gate{next: transport, token: a.token, requests: requests},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	})
}

// gate is what every request passes: it counts them, puts the token on, and makes an error of what is
// no answer, which Consul's client doesn't always do so that one can tell why.
type gate struct {
	next     http.RoundTripper
	token    *token
	requests *atomic.Int64
}

// RoundTrip implements http.RoundTripper.
func (g *gate) RoundTrip(request *http.Request) (*http.Response, error) {
	g.requests.Add(1)
	request = request.Clone(request.Context())
	request.Header.Del("X-Consul-Token")
	if text := g.token.read(); text != "" {
		request.Header.Set("X-Consul-Token", text)
	}
	// The client takes these from its environment, and only for some of what it asks.
	query := request.URL.Query()
	query.Del("ns")
	query.Del("partition")
	request.URL.RawQuery = query.Encode()
	answer, err := g.next.RoundTrip(request)
	if err != nil {
		return nil, err
	}
	switch answer.StatusCode {
	case http.StatusOK, http.StatusNotFound, http.StatusConflict:
		return answer, nil
	}
	defer func() { _ = answer.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(answer.Body, 4<<10))
	if err != nil {
		return nil, err
	}
	return nil, &statusError{code: answer.StatusCode, body: string(body)}
}
