package zkstore

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"strings"

	"github.com/go-zookeeper/zk"

	"github.com/muster-go/muster/store"
)

// Below the root stand:
//
//	format            says that a store is here
//	clock             set by whoever needs a revision of the present
//	sessions/<id>     a session's marker, ephemeral: what is written in its name is written only if it is there
//	guards/<hash>     set by each write that makes a record: see write.go
//	records/…         the records: a/b/c is d-a/d-b/b-<hash of c>/c
const (
	formatNode   = "/format"
	clockNode    = "/clock"
	sessionsNode = "/sessions"
	guardsNode   = "/guards"
	recordsNode  = "/records"

	dirMark    = "d-"
	bucketMark = "b-"

	guards  = 32
	buckets = 32 // of what stands in one folder: each is made when it is needed
)

// format is what the node of that name holds.
const format = "muster 1"

func hash(text string, n uint32) uint32 {
	h := fnv.New32a()
	_, _ = h.Write([]byte(text))
	return h.Sum32() % n
}

func (d *driver) path(node string) string { return d.cfg.root + node }

// guardOf is the guard that stands before a key.
func (d *driver) guardOf(key string) string {
	return fmt.Sprintf("%s/%02x", d.path(guardsNode), hash(key, guards))
}

func (d *driver) markerOf(id store.SessionID) string { return d.path(sessionsNode) + "/" + string(id) }

// folderOf is where what stands below a prefix stands: "" or one that ends in "/".
func (d *driver) folderOf(prefix string) string {
	folder := d.path(recordsNode)
	for segment := range strings.SplitSeq(strings.TrimSuffix(prefix, "/"), "/") {
		if segment != "" {
			folder += "/" + dirMark + segment
		}
	}
	return folder
}

// bucketOf is the node below which a key's stands.
func (d *driver) bucketOf(key string) string {
	folder, name := "", key
	if i := strings.LastIndexByte(key, '/'); i >= 0 {
		folder, name = key[:i+1], key[i+1:]
	}
	return fmt.Sprintf("%s/%s%02x", d.folderOf(folder), bucketMark, hash(name, buckets))
}

func (d *driver) nodeOf(key string) string {
	return d.bucketOf(key) + "/" + key[strings.LastIndexByte(key, '/')+1:]
}

func parentOf(path string) string { return path[:strings.LastIndexByte(path, '/')] }

// checkKey refuses what can't be a key.
func checkKey(key string) error {
	if key == "" {
		return fmt.Errorf("the key is empty: %w", store.ErrInvalid)
	}
	for segment := range strings.SplitSeq(key, "/") {
		if segment == "" || segment[0] == '.' || strings.ContainsFunc(segment, func(r rune) bool { return r <= ' ' || r > '~' }) {
			return fmt.Errorf("the key %q has the part %q: escape it: %w", key, segment, store.ErrInvalid)
		}
	}
	return nil
}

// checkPrefix refuses what can't be a prefix.
func checkPrefix(prefix string) error {
	if prefix == "" {
		return nil
	}
	return checkKey(strings.TrimSuffix(prefix, "/"))
}

// create makes a node that may be there already.
func (d *driver) create(ctx context.Context, c *client, path string, value string) error {
	_, err := ask(ctx, c, "make "+path, func(z *zk.Conn) (string, error) { return z.Create(path, []byte(value), 0, d.cfg.acl()) })
	if errors.Is(err, zk.ErrNodeExists) {
		return nil
	}
	if errors.Is(err, zk.ErrNoAuth) { // it may be there all the same
		if there, _ := ask(ctx, c, "see "+path, func(z *zk.Conn) (bool, error) { there, _, err := z.Exists(path); return there, err }); there {
			return nil
		}
	}
	return err
}

// prepare makes what must stand below the root, if it isn't there.
func (d *driver) prepare(ctx context.Context, c *client) error {
	found, err := ask(ctx, c, "read "+d.path(formatNode), func(z *zk.Conn) (string, error) {
		value, _, err := z.Get(d.path(formatNode))
		return string(value), err
	})
	switch {
	case err == nil && found == format:
		return nil
	case err == nil:
		return fmt.Errorf("%s: %s holds %.40q, which this version doesn't know: choose another root: %w", d.name, d.path(formatNode), found, store.ErrInvalid)
	case !errors.Is(err, zk.ErrNoNode):
		return err
	}
	for i := 1; i <= len(d.cfg.root); i++ {
		if i < len(d.cfg.root) && d.cfg.root[i] != '/' {
			continue
		}
		if err := d.create(ctx, c, d.cfg.root[:i], ""); err != nil {
			return err
		}
	}
	for _, node := range []string{clockNode, sessionsNode, guardsNode, recordsNode} {
		if err := d.create(ctx, c, d.path(node), ""); err != nil {
			return err
		}
	}
	errs := make([]error, guards)
	parallel(guards, func(i int) { errs[i] = d.create(ctx, c, fmt.Sprintf("%s/%02x", d.path(guardsNode), i), "") })
	if err := errors.Join(errs...); err != nil {
		return err
	}
	return d.create(ctx, c, d.path(formatNode), format)
}

// makeBucket makes the nodes above a key's. ZooKeeper deletes them when they have been empty for a while.
func (d *driver) makeBucket(ctx context.Context, key string) error {
	l, err := d.linked(ctx, "make a bucket")
	if err != nil {
		return err
	}
	path := d.bucketOf(key)
	for i := len(d.path(recordsNode)) + 1; i <= len(path); i++ {
		if i < len(path) && path[i] != '/' {
			continue
		}
		_, err := ask(ctx, l.client, "make "+path[:i], func(z *zk.Conn) (string, error) {
			return z.CreateContainer(path[:i], nil, zk.FlagContainer, d.cfg.acl())
		})
		if err != nil && !errors.Is(err, zk.ErrNodeExists) && !errors.Is(err, zk.ErrNoNode) { // without one above it is tried again
			return err
		}
	}
	return nil
}
