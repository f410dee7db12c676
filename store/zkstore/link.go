package zkstore

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/go-zookeeper/zk"

	"github.com/muster-go/muster/store"
)

// linkTimeout is of the session that reads and watches: after two thirds of it a server that says
// nothing is given up.
const linkTimeout = 6 * time.Second

// link is the client for reads and watches, and for writes that need no session of their own. It is over
// with its connection: the library's way to set watches again after a break can miss changes, and what
// answers by then may be another store.
type link struct {
	*client

	mu    sync.Mutex
	posts map[string]*post // by path
}

// post is what is known of the watches of one node. The server tells of each once.
type post struct {
	views       map[*view]bool
	data, child arm
}

// arm is whether a watch of one kind is set.
type arm struct {
	set   bool
	fired uint64 // how often it was told
}

// openLink makes a link, and the store's nodes where they are missing.
func (d *driver) openLink(ctx context.Context) (*link, error) {
	l := &link{posts: map[string]*post{}}
	c, err := d.newClient(linkTimeout, false, l.told)
	if err != nil {
		return nil, d.say("connect", err)
	}
	l.client = c
	if err = d.enter(ctx, c); err == nil {
		err = d.prepare(ctx, c)
	}
	if err != nil {
		c.finish(err, true)
		return nil, err
	}
	return l, nil
}

// enter waits for a new client's connection, and says who it is.
func (d *driver) enter(ctx context.Context, c *client) error {
	if _, err := c.await(ctx); err != nil {
		return d.say("connect", err)
	}
	if d.cfg.user == "" {
		return nil
	}
	_, err := ask(ctx, c, "authenticate", func(z *zk.Conn) (struct{}, error) {
		return struct{}{}, z.AddAuth("digest", []byte(d.cfg.user+":"+d.cfg.password))
	})
	return err
}

// linkPatience is how long a link may take to be made.
const linkPatience = 10 * time.Second

// keepLinked replaces a link that is over, for ever.
func (d *driver) keepLinked() {
	var wait backoff
	d.mu.Lock()
	l := d.link
	d.mu.Unlock()
	for {
		if l != nil {
			wait.reset()
			<-l.ctx.Done()
			d.setLink(nil, fmt.Errorf("%w (%w)", errLost, store.ErrUnreachable))
		}
		wait.sleep(d.ctx, d)
		if d.ctx.Err() != nil {
			return
		}
		ctx, cancel := context.WithCancel(d.ctx)
		limit := d.cfg.clock.AfterFunc(linkPatience, cancel)
		var err error
		l, err = d.openLink(ctx)
		limit.Stop()
		cancel()
		if !d.setLink(l, err) && l != nil {
			l.finish(store.ErrClosed, true)
		}
	}
}

// setLink notes the present link, or why there is none; false: the driver is closed.
func (d *driver) setLink(l *link, err error) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return false
	}
	d.link, d.linkErr = l, err
	close(d.linkedAt)
	d.linkedAt = make(chan struct{})
	return true
}

// linked waits for a link, unless there can be none.
func (d *driver) linked(ctx context.Context, what string) (*link, error) {
	for {
		d.mu.Lock()
		l, err, changed := d.link, d.linkErr, d.linkedAt
		d.mu.Unlock()
		switch {
		case d.ctx.Err() != nil:
			return nil, store.ErrClosed
		case ctx.Err() != nil:
			if err == nil {
				err = context.Cause(ctx)
			}
			return nil, d.say(what, fmt.Errorf("no connection: %w (%w)", err, store.ErrUnreachable))
		case l != nil && l.why() == nil:
			return l, nil
		case err != nil && permanent(err):
			return nil, err
		}
		select {
		case <-changed:
		case <-ctx.Done():
		case <-d.ctx.Done():
		}
	}
}

// told takes what the server says of a node that is watched. It comes before any answer that shows
// what happened.
func (l *link) told(e zk.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	p := l.posts[e.Path]
	if p == nil {
		return
	}
	if e.Type != zk.EventNodeChildrenChanged {
		p.data = arm{false, p.data.fired + 1}
	}
	if e.Type == zk.EventNodeChildrenChanged || e.Type == zk.EventNodeDeleted {
		p.child = arm{false, p.child.fired + 1}
	}
	for v := range p.views {
		v.soil(e.Path)
	}
	l.forget(e.Path, p)
}

// forget drops what nobody needs; with the lock held. What is set stays in the books, or it would be set
// again and again.
func (l *link) forget(path string, p *post) {
	if len(p.views) == 0 && !p.data.set && !p.child.set {
		delete(l.posts, path)
	}
}

func (l *link) subscribe(v *view, path string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	p := l.posts[path]
	if p == nil {
		p = &post{views: map[*view]bool{}}
		l.posts[path] = p
	}
	p.views[v] = true
}

func (l *link) unsubscribe(v *view, path string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if p := l.posts[path]; p != nil {
		delete(p.views, v)
		l.forget(path, p)
	}
}

// watching does a read that sets a watch, unless that is set already: set tells the read to. Of whoever
// has subscribed to the path, each hears of the next change after what is read.
func watching[T any](l *link, path string, which func(*post) *arm, read func(set bool) (T, error)) (T, error) {
	l.mu.Lock()
	p := l.posts[path]
	before := *which(p)
	l.mu.Unlock()
	value, err := read(!before.set)
	if err == nil {
		l.mu.Lock()
		if now := which(p); now.fired == before.fired {
			now.set = true
		}
		l.mu.Unlock()
	}
	return value, err
}

func dataArm(p *post) *arm  { return &p.data }
func childArm(p *post) *arm { return &p.child }

// node is a node as it was read.
type node struct {
	found    bool
	value    []byte
	stat     zk.Stat
	children []string
}

// get reads a node's value and watches it; if it must be told when it appears, it does so too while the
// node is absent.
func (l *link) get(ctx context.Context, path string, absent bool) (node, error) {
	for {
		n, err := watching(l, path, dataArm, func(set bool) (node, error) {
			return ask(ctx, l.client, "read "+path, func(z *zk.Conn) (n node, err error) {
				var stat *zk.Stat
				if set {
					n.value, stat, _, err = z.GetW(path)
				} else {
					n.value, stat, err = z.Get(path)
				}
				if err == nil {
					n.found, n.stat = true, *stat
				}
				return n, err
			})
		})
		if !errors.Is(err, zk.ErrNoNode) {
			return n, err
		}
		if !absent {
			return node{}, nil
		}
		there, err := l.exists(ctx, path)
		if err != nil || !there {
			return node{}, err
		}
	}
}

// exists tells whether a node is there and watches it.
func (l *link) exists(ctx context.Context, path string) (bool, error) {
	return watching(l, path, dataArm, func(set bool) (bool, error) {
		return ask(ctx, l.client, "see "+path, func(z *zk.Conn) (there bool, err error) {
			if set {
				there, _, _, err = z.ExistsW(path)
			} else {
				there, _, err = z.Exists(path)
			}
			return there, err
		})
	})
}

// list reads a node's children and watches them; if absent, also whether the node appears.
func (l *link) list(ctx context.Context, path string, absent bool) (node, error) {
	for {
		n, err := watching(l, path, childArm, func(set bool) (node, error) {
			return ask(ctx, l.client, "list "+path, func(z *zk.Conn) (n node, err error) {
				var stat *zk.Stat
				if set {
					n.children, stat, _, err = z.ChildrenW(path)
				} else {
					n.children, stat, err = z.Children(path)
				}
				if err == nil {
					n.found, n.stat = true, *stat
				}
				return n, err
			})
		})
		if !errors.Is(err, zk.ErrNoNode) {
			return n, err
		}
		if !absent {
			return node{}, nil
		}
		there, err := l.exists(ctx, path)
		if err != nil || !there {
			return node{}, err
		}
	}
}
