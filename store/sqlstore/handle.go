package sqlstore

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"sync"

	"github.com/muster-go/muster/store"
)

// handle is one opened database file. When the file is lost the driver opens another handle.
type handle struct {
	files
	store  string // the database's random id
	keep   uint64 // commits that the change log holds
	start  uint64 // the newest revision when it was opened
	writer *conn
	reader *conn
	poller *conn // for the poll loop only

	gone chan struct{} // closed when the driver gave the handle up

	mu     sync.Mutex
	users  int // calls that use it, and one for the driver
	closed chan struct{}
}

// openHandle opens what stands at the path, or creates it; with proof only if prove is set. It
// leaves nothing behind if it fails.
func (d *driver) openHandle(ctx context.Context, prove bool) (*handle, *presence, error) {
	ctx, cancel := bounded(ctx)
	defer cancel()
	p, made, err := findPlace(d.cfg.Path)
	if err != nil {
		removeFolders(made)
		return nil, nil, openFault(d.cfg.Path, err)
	}
	lock, err := lockOpening(ctx, p, d.closing)
	if err != nil {
		removeFolders(made)
		return nil, nil, openFault(d.cfg.Path, err)
	}
	defer lock.unlock()
	_, err = os.Stat(p.real)
	created := errors.Is(err, os.ErrNotExist)
	undo := func() {
		if created {
			for _, path := range []string{p.shm(), p.wal(), p.real + "-journal", p.real} {
				_ = os.Remove(path)
			}
		}
		lock.undo()
		removeFolders(made)
	}
	err = lock.dropForeignWAL()
	if !created && mayNot(p.real) {
		err = &os.PathError{Op: "open", Path: p.real, Err: os.ErrPermission} // SQLite would open it for reading
	}
	if err != nil {
		undo()
		return nil, nil, openFault(d.cfg.Path, err)
	}
	present := takePresence(p)
	wait := newBackoff()
	for {
		h, err := d.connect(p, present, prove)
		if err == nil {
			if err = lock.record(); err == nil {
				return h, present, nil
			}
			h.release()
			<-h.closed
		}
		if busy(err) && wait.sleep(ctx, d.closing) == nil {
			continue
		}
		present.close()
		undo()
		return nil, nil, openFault(d.cfg.Path, err)
	}
}

// connect opens all connections, with the opening lock held.
func (d *driver) connect(p place, present *presence, prove bool) (h *handle, err error) {
	h = &handle{keep: d.cfg.keep, gone: make(chan struct{}), users: 1, closed: make(chan struct{})}
	defer func() {
		if err != nil {
			h.close()
			h = nil
		}
	}()
	before, beforeErr := os.Stat(p.path)
	if h.writer, err = openConn(p.real, p.lock()); err != nil {
		return h, err
	}
	if err := h.writer.ours(p.path); err != nil {
		return h, err
	}
	if err := h.writer.create(p, present, prove); err != nil {
		return h, err
	}
	if h.reader, err = openConn(p.real, ""); err != nil {
		return h, err
	}
	if h.poller, err = openConn(p.real, ""); err != nil {
		return h, err
	}
	var stores [3]string
	for i, c := range []*conn{h.writer, h.reader, h.poller} {
		var schema int
		for _, pragma := range perConnection {
			if err := c.exec(pragma); err != nil {
				return h, err
			}
		}
		if err := c.one(sqlMeta, nil, &schema, &stores[i], &h.start); err != nil {
			return h, err
		}
		if schema > schemaVersion {
			return h, fmt.Errorf("SQLite store %s: was made by a newer version of Muster (schema %d, this one knows %d): upgrade this one, or choose another path: %w", p.path, schema, schemaVersion, store.ErrInvalid)
		}
	}
	h.store = stores[0]
	if h.files, err = p.stat(); err != nil {
		return h, err
	}
	if beforeErr == nil && !os.SameFile(before, h.infos[0]) || stores[0] != stores[1] || stores[0] != stores[2] {
		return h, fmt.Errorf("SQLite store %s: the file was %w while it was opened", p.path, errReplaced)
	}
	return h, nil
}

// ours refuses a database of another program, before anything in it is changed.
func (c *conn) ours(path string) error {
	var application, tables int
	if err := c.one(sqlApplication, nil, &application); err != nil {
		return err
	}
	if err := c.one(sqlTables, nil, &tables); err != nil {
		return err
	}
	if application == applicationID || application == 0 && tables == 0 {
		return nil
	}
	return fmt.Errorf("SQLite store %s: is a database of another program (%d tables, application id %#x): choose another path; it was not changed: %w", path, tables, application, store.ErrInvalid)
}

// create makes the schema if there is none.
func (c *conn) create(p place, present *presence, prove bool) error {
	var mode string
	if err := c.c.QueryRowContext(context.Background(), sqlWAL).Scan(&mode); err != nil {
		return err
	}
	if mode != "wal" {
		return fmt.Errorf("the journal mode stays %q: the file system lacks the shared memory that SQLite needs: choose a path on another: %w", mode, store.ErrInvalid)
	}
	var there int
	if err := c.one(sqlIsMeta, nil, &there); err != nil || there > 0 {
		return err
	}
	if err := c.exec(perConnection[1]); err != nil {
		return err
	}
	if err := c.exec(sqlBegin); err != nil {
		return err
	}
	err := func() error {
		if err := c.one(sqlIsMeta, nil, &there); err != nil || there > 0 {
			return err
		}
		for _, statement := range sqliteSchema {
			if err := c.exec(statement); err != nil {
				return err
			}
		}
		proven := ""
		if prove && present.alone() {
			proven = identity(p.real)
		}
		return c.exec(sqlInsertMeta, schemaVersion, rand.Text(), proven)
	}()
	if err == nil {
		err = c.exec(sqlCommit)
	}
	if err != nil {
		_ = c.exec(sqlRollback) // fails if SQLite did it already
		return err
	}
	return c.exec(sqlCheckpoint) // so that the file alone is a database of ours
}

// use takes a share of the handle, which release gives back.
func (h *handle) use() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.users == 0 {
		return false
	}
	h.users++
	return true
}

// release closes the connections with the last share.
func (h *handle) release() {
	h.mu.Lock()
	h.users--
	last := h.users == 0
	h.mu.Unlock()
	if last {
		h.close()
	}
}

func (h *handle) close() {
	for _, c := range []*conn{h.poller, h.reader, h.writer} {
		if c != nil {
			_ = c.close() // the last of all takes the -wal and -shm files along, if nothing hinders it
		}
	}
	close(h.closed)
}

// lostBy says that the file must be opened anew after err.
func lostBy(err error) bool { return errors.Is(err, errReplaced) || broken(err) }
