package zkstore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/muster-go/muster/internal/bootclock"
	"github.com/muster-go/muster/store"
)

// Error is the type of this package's error constants; compare with errors.Is.
type Error string

// Error implements error.
func (e Error) Error() string { return string(e) }

const (
	// ErrBadResponse says that what answered is no Exhibitor, or isn't well.
	ErrBadResponse Error = "bad response from Exhibitor"
	// ErrEmptyServerList says that Exhibitor knows no server.
	ErrEmptyServerList Error = "Exhibitor lists no servers"
)

const (
	// defaultPoll is how often Exhibitor is asked for changes.
	defaultPoll = 30 * time.Second
	// askLimit is how long an Exhibitor may take to answer; less if there are so many that not all of
	// them could be asked while Open is patient.
	askLimit = 2 * time.Second
	// listPath is where Exhibitor lists the servers.
	listPath = "/exhibitor/v1/cluster/list"
	// mostAnswer is how much of an answer is read.
	mostAnswer = 1 << 20
)

// exhibitor is the servers that Exhibitor lists: those that it listed last, while it is away.
type exhibitor struct {
	hosts  []string
	client *http.Client
	latest atomic.Pointer[[]string]
}

func (e *exhibitor) list() []string { return *e.latest.Load() }

// OpenExhibitor is the store.Opener for URLs like exhibitor://user@h1:8080,h2:8080/root, where Exhibitor
// says which servers there are; the package's documentation lists their parameters. Beside what makes
// Open fail, it fails with ErrBadResponse or ErrEmptyServerList. One Exhibitor that answers is enough.
func OpenExhibitor(ctx context.Context, u *url.URL, clk store.Clock) (store.Driver, error) {
	a, err := parseURL(u, defaultExhibitorPort)
	if err != nil {
		return nil, err
	}
	if clk == nil {
		clk = bootclock.Clock
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer clk.AfterFunc(patience, func() { cancel(errPatience) }).Stop()
	e := &exhibitor{hosts: a.hosts, client: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}}
	if _, err := e.ask(ctx, clk); err != nil {
		return nil, err
	}
	d := newDriver(a.config(clk), e)
	d.name = "exhibitor " + strings.Join(a.hosts, ",")
	if err := d.open(ctx); err != nil {
		return nil, errors.Join(err, d.Close())
	}
	d.spawn(func() { d.follow(e, a.poll) })
	return d, nil
}

// follow asks Exhibitor for changes until the driver ends. Connections that stand to a server that isn't
// listed any more are left alone: it is up to the server to end them.
func (d *driver) follow(e *exhibitor, poll time.Duration) {
	away := false
	for {
		d.wait(d.ctx, poll)
		if d.ctx.Err() != nil {
			return
		}
		changed, err := e.ask(d.ctx, d.cfg.clock)
		switch {
		case d.ctx.Err() != nil:
			return
		case err != nil && !away:
			d.cfg.logger.Warn("Exhibitor doesn't list ZooKeeper's servers: the latest list is used on", "store", d.name, "err", err)
		case err == nil && changed:
			d.cfg.logger.Info("Exhibitor lists other servers of ZooKeeper's", "store", d.name, "servers", e.list())
		}
		away = err != nil
	}
}

// ask asks each Exhibitor, from a random one on, until one gives a list.
func (e *exhibitor) ask(ctx context.Context, clk store.Clock) (changed bool, err error) {
	first := rand.IntN(len(e.hosts))
	for i := range e.hosts {
		list, reason := e.askOne(ctx, clk, e.hosts[(first+i)%len(e.hosts)])
		if reason == nil {
			before := e.latest.Swap(&list)
			return before != nil && !slices.Equal(*before, list), nil
		}
		if err != nil {
			reason = fmt.Errorf("%w; %w", err, reason)
		}
		err = reason
	}
	return false, err
}

func (e *exhibitor) askOne(ctx context.Context, clk store.Clock, host string) ([]string, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer clk.AfterFunc(min(askLimit, patience/time.Duration(len(e.hosts)+1)), func() { cancel(errPatience) }).Stop()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+host+listPath, nil)
	if err != nil {
		return nil, fmt.Errorf("exhibitor %s: %w", host, err)
	}
	response, err := e.client.Do(request)
	if err != nil {
		if cause := context.Cause(ctx); cause != nil {
			err = cause
		}
		if inner, ok := errors.AsType[*url.Error](err); ok {
			err = inner.Err
		}
		return nil, fmt.Errorf("exhibitor %s: %w (%w)", host, err, store.ErrUnreachable)
	}
	defer func() { _ = response.Body.Close() }()
	bad := func(why string) error {
		return fmt.Errorf("exhibitor %s: %s: check that an Exhibitor serves %s there: %w", host, why, listPath, ErrBadResponse)
	}
	if response.StatusCode != http.StatusOK {
		return nil, bad("its answer is " + response.Status)
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, mostAnswer))
	if err != nil {
		return nil, bad(err.Error())
	}
	return parseList(body, bad, host)
}

// parseList reads {"servers": ["h1", "h2"], "port": 2181}.
func parseList(body []byte, bad func(string) error, host string) ([]string, error) {
	var answer struct {
		Servers []string `json:"servers"`
		Port    int      `json:"port"`
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return nil, bad("its answer can't be read: " + err.Error())
	}
	if len(answer.Servers) == 0 {
		return nil, fmt.Errorf("exhibitor %s: %w: add them to its configuration", host, ErrEmptyServerList)
	}
	if answer.Port < 1 || answer.Port > 65535 {
		return nil, bad(fmt.Sprintf("its answer has the port %d", answer.Port))
	}
	list := make([]string, len(answer.Servers))
	for i, server := range answer.Servers {
		if server == "" {
			return nil, bad("its answer has a server without a name")
		}
		list[i] = net.JoinHostPort(server, strconv.Itoa(answer.Port))
	}
	slices.Sort(list)
	return slices.Compact(list), nil
}
