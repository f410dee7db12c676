package etcdstore

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/muster-go/muster/store"
)

// grace is for how long the other endpoints may answer after the first has.
const grace = 500 * time.Millisecond

// answer is what an endpoint had to say.
type answer struct {
	index   int
	version string // empty: it didn't say
	err     error  // of the read
}

// probe asks one endpoint, on a connection of its own, for its version and for a linearizable read.
func (d *driver) probe(ctx context.Context, endpoint string) (version string, err error) {
	conn, err := d.cfg.Client.Dial(endpoint)
	if err != nil {
		return "", err
	}
	defer func() { _ = conn.Close() }()
	ctx = clientv3.WithRequireLeader(ctx)
	server, err := pb.NewMaintenanceClient(conn).Status(ctx, &pb.StatusRequest{})
	if err != nil {
		return "", err
	}
	r := d.rangeOf("")
	_, err = pb.NewKVClient(conn).Range(ctx, &pb.RangeRequest{Key: r.key, RangeEnd: r.end, Limit: 1, KeysOnly: true})
	return server.Version, err
}

// ping asks all endpoints at once. It succeeds if one of them gives a linearizable read and none has
// a version that is refused; else the error has each endpoint's own reason.
func (d *driver) ping(ctx context.Context) error {
	endpoints := d.cfg.Client.Endpoints()
	within, cancel := context.WithCancel(ctx)
	defer cancel()
	answers := make(chan answer, len(endpoints))
	for i, endpoint := range endpoints {
		go func() {
			version, err := d.probe(within, endpoint)
			answers <- answer{i, version, err}
		}()
	}
	got := make([]*answer, len(endpoints))
	alive := false
	for range endpoints {
		a := <-answers
		got[a.index] = &a
		if a.err == nil && !alive {
			alive = true
			timer := d.cfg.Clock.AfterFunc(grace, cancel)
			defer timer.Stop()
		}
	}
	for i, a := range got {
		if err := checkVersion(endpoints[i], a.version); err != nil {
			return fmt.Errorf("etcd: %w", err)
		}
	}
	if alive {
		d.mu.Lock()
		d.vetted = true
		d.mu.Unlock()
		return nil
	}
	return d.unreachable(endpoints, got)
}

// unreachable lists each endpoint's reason. What is permanent for one is for all.
func (d *driver) unreachable(endpoints []string, got []*answer) error {
	class := store.ErrUnreachable
	var reasons []string
	for i, a := range got {
		err := d.explain(a.err)
		for _, permanent := range []store.Error{store.ErrUnauthorized, store.ErrInvalid} {
			if errors.Is(err, permanent) {
				class = permanent
			}
		}
		text := err.Error()
		if code := status.Code(a.err); code == codes.Canceled || code == codes.DeadlineExceeded {
			text = "no answer in time"
		}
		switch { // words that need a translation
		case strings.Contains(text, "reading server preface"):
			text += ": if it speaks TLS, add tls=true or cacert=FILE"
		case text == "EOF", strings.Contains(text, "first record does not look like a TLS handshake"):
			text += ": if it speaks no TLS, leave the parameters for it out"
		}
		reasons = append(reasons, endpoints[i]+": "+text)
	}
	return fmt.Errorf("etcd: %s: %w", strings.Join(reasons, "; "), class)
}

// vet checks the servers' versions, once, as far as they answer.
func (d *driver) vet(ctx context.Context) error {
	d.mu.Lock()
	vetted := d.vetted
	d.mu.Unlock()
	if vetted {
		return nil
	}
	if err := d.mayBegin(ctx, "grant a lease"); err != nil {
		return err
	}
	if err := d.ping(ctx); errors.Is(err, store.ErrInvalid) {
		return err
	}
	return nil // who doesn't answer is asked again, and the Grant says what is wrong
}
