package etcdutil

import (
	"crypto/tls"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	etcd "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
)

// The environment variables that NewConfig reads. An empty one counts as unset.
const (
	envUser        = "ETCD3_USER"
	envPassword    = "ETCD3_PASSWORD"
	envEndpoint    = "ETCD3_ENDPOINT"
	envDialTimeout = "ETCD3_DIAL_TIMEOUT"
	envCA          = "ETCD3_CA"
	envCert        = "ETCD3_TLS_CERT"
	envKey         = "ETCD3_TLS_KEY"
	envSkipVerify  = "ETCD3_SKIP_VERIFY"
	envEnableTLS   = "ETCD3_ENABLE_TLS"
)

const (
	defaultEndpoint    = "localhost:2379"
	defaultDialTimeout = 5 * time.Second
	// A connection that is open and dead must be noticed: without these, TCP needs a quarter of an hour.
	defaultKeepAliveTime    = 10 * time.Second // the shortest that servers don't punish
	defaultKeepAliveTimeout = 3 * time.Second
)

// connectParams let candidates stand again soon after an outage: by default a client would come to wait for
// two minutes between its tries to connect.
var connectParams = grpc.ConnectParams{
	Backoff:           backoff.Config{BaseDelay: 100 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: time.Second},
	MinConnectTimeout: 2 * time.Second,
}

// NewConfig gives a configuration for etcd's client: what cfg sets, and for each blank the
// environment variable, or the default. cfg may be nil; neither it nor its TLS is changed.
//
//	ETCD3_USER          Username
//	ETCD3_PASSWORD      Password
//	ETCD3_ENDPOINT      Endpoints, separated by commas; blanks around them and empty ones don't count.
//	                    Default: localhost:2379
//	ETCD3_DIAL_TIMEOUT  DialTimeout, like 10s. Default: 5s
//	ETCD3_CA            file with the certificates to trust, in PEM format: TLS.RootCAs
//	ETCD3_TLS_CERT      file with the client's certificate, and
//	ETCD3_TLS_KEY       file with its key: TLS.Certificates
//	ETCD3_SKIP_VERIFY   true: speak TLS, and trust any certificate
//	ETCD3_ENABLE_TLS    true: speak TLS, and trust whom the system trusts
//
// Each of the files asks for TLS too. Where cfg has a TLS, what it says of verification stands, and
// the environment only fills in certificates. DialKeepAliveTime and DialKeepAliveTimeout, left blank,
// become 10 s and 3 s. DialOptions begin with one by which a client that can't connect tries again at
// least every second; an own grpc.WithConnectParams comes after it, and wins. An error names the
// variable and what to do.
func NewConfig(cfg *etcd.Config) (*etcd.Config, error) {
	var c etcd.Config
	if cfg != nil {
		c = *cfg
	}
	fill(&c.Username, os.Getenv(envUser))
	fill(&c.Password, os.Getenv(envPassword))
	if err := fillEndpoints(&c); err != nil {
		return nil, err
	}
	if err := fillDialTimeout(&c); err != nil {
		return nil, err
	}
	fill(&c.DialKeepAliveTime, defaultKeepAliveTime)
	fill(&c.DialKeepAliveTimeout, defaultKeepAliveTimeout)
	c.DialOptions = append([]grpc.DialOption{grpc.WithConnectParams(connectParams)}, c.DialOptions...)
	if err := fillTLS(&c); err != nil {
		return nil, err
	}
	return &c, nil
}

// NewClient makes a client of what NewConfig gives for cfg. With nil, and without environment
// variables, it speaks to localhost:2379 without TLS. The client connects when it's first used, so a
// server that isn't there is no error yet. The caller closes it, after the elections and sessions on
// it.
func NewClient(cfg *etcd.Config) (*etcd.Client, error) {
	c, err := NewConfig(cfg)
	if err != nil {
		return nil, err
	}
	return etcd.New(*c)
}

// fill sets what is blank.
func fill[T comparable](value *T, blank T) {
	var none T
	if *value == none {
		*value = blank
	}
}

func fillEndpoints(c *etcd.Config) error {
	if len(c.Endpoints) > 0 {
		c.Endpoints = append([]string(nil), c.Endpoints...)
		return nil
	}
	text := os.Getenv(envEndpoint)
	for endpoint := range strings.SplitSeq(text, ",") {
		if endpoint = strings.TrimSpace(endpoint); endpoint != "" {
			c.Endpoints = append(c.Endpoints, endpoint)
		}
	}
	if len(c.Endpoints) > 0 {
		return nil
	}
	if text != "" {
		return fmt.Errorf("environment variable %s=%q names no endpoint: list them like h1:2379,h2:2379, or unset it for %s", envEndpoint, text, defaultEndpoint)
	}
	c.Endpoints = []string{defaultEndpoint}
	return nil
}

func fillDialTimeout(c *etcd.Config) error {
	if c.DialTimeout != 0 {
		return nil
	}
	c.DialTimeout = defaultDialTimeout
	text := os.Getenv(envDialTimeout)
	if text == "" {
		return nil
	}
	d, err := time.ParseDuration(text)
	if err != nil || d <= 0 {
		return fmt.Errorf("environment variable %s=%q: must be a time greater than 0, like 10s or 1m", envDialTimeout, text)
	}
	c.DialTimeout = d
	return nil
}

// fillTLS makes c.TLS, or fills in a copy of it.
func fillTLS(c *etcd.Config) error {
	skip, err := envBool(envSkipVerify)
	if err != nil {
		return err
	}
	enable, err := envBool(envEnableTLS)
	if err != nil {
		return err
	}
	ca, cert, key := os.Getenv(envCA), os.Getenv(envCert), os.Getenv(envKey)
	switch {
	case c.TLS != nil:
		c.TLS = c.TLS.Clone()
	case skip || enable || ca != "" || cert != "" || key != "":
		c.TLS = &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: skip}
	default:
		return nil
	}
	if c.TLS.RootCAs == nil && ca != "" {
		if c.TLS.RootCAs, err = certPool(ca); err != nil {
			return err
		}
	}
	given := len(c.TLS.Certificates) > 0 || c.TLS.GetClientCertificate != nil
	if !given && (cert != "" || key != "") {
		pair, err := keyPair(cert, key)
		if err != nil {
			return err
		}
		c.TLS.Certificates = []tls.Certificate{pair}
	}
	return nil
}

func envBool(name string) (bool, error) {
	text := os.Getenv(name)
	if text == "" {
		return false, nil
	}
	on, err := strconv.ParseBool(text)
	if err != nil {
		return false, fmt.Errorf("environment variable %s=%q: must be true or false", name, text)
	}
	return on, nil
}
