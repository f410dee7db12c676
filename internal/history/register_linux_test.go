package history_test

import (
	"context"
	"database/sql"
	"errors"
	"net/url"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/muster-go/muster/claimer/fence"
	"github.com/muster-go/muster/claimer/fence/etcdfence"
	"github.com/muster-go/muster/claimer/fence/sqlfence"
)

// A shared is the register that workers write to, with the helpers that users have.
type shared interface {
	// write gives the outcome; seen is the fence that refused it.
	write(token uint64, value string, way int) (outcome string, seen uint64, err error)
	read() (seen uint64, value string, err error)
	close() error
}

// sqlRegister is a row of a database that isn't the store's.
type sqlRegister struct {
	db       *sql.DB
	unfenced bool // as those write who think that a lock is enough
}

var rows = sqlfence.Rows{Table: "register", Key: "id"}

func openSQLRegister(path string, unfenced bool) (*sqlRegister, error) {
	file := url.URL{Scheme: "file", Opaque: path}
	db, err := sql.Open("sqlite", file.String()+"?_txlock=immediate&_pragma=busy_timeout(30000)&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)")
	return &sqlRegister{db: db, unfenced: unfenced}, err
}

func (r *sqlRegister) create() error {
	_, err := r.db.Exec("CREATE TABLE register (id INTEGER PRIMARY KEY, value TEXT NOT NULL, fence BIGINT NOT NULL DEFAULT 0); INSERT INTO register (id, value) VALUES (1, '')")
	return err
}

func (r *sqlRegister) write(token uint64, value string, way int) (string, uint64, error) {
	ctx := context.Background()
	var err error
	switch {
	case r.unfenced:
		_, err = r.db.ExecContext(ctx, "UPDATE register SET value = ?, fence = ? WHERE id = 1", value, int64(token))
	case way%2 == 0:
		err = rows.Update(ctx, r.db, 1, token, sqlfence.Column{Name: "value", Value: value})
	default:
		err = r.guarded(ctx, token, value)
	}
	return outcomeOf(err)
}

// guarded writes in a transaction whose own statement has no condition.
func (r *sqlRegister) guarded(ctx context.Context, token uint64, value string) error {
	tx, err := r.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	err = rows.Guard(ctx, tx, 1, token)
	if err == nil {
		_, err = tx.ExecContext(ctx, "UPDATE register SET value = ? WHERE id = 1", value)
	}
	if err != nil {
		return errors.Join(err, tx.Rollback())
	}
	return tx.Commit()
}

func (r *sqlRegister) read() (seen uint64, value string, err error) {
	err = r.db.QueryRow("SELECT fence, value FROM register WHERE id = 1").Scan(&seen, &value)
	return seen, value, err
}

func (r *sqlRegister) close() error { return r.db.Close() }

// etcdRegister is a key in the etcd of the store, reached the same way.
type etcdRegister struct{ client *clientv3.Client }

const (
	fenceKey = "register/fence"
	valueKey = "register/value"
	// etcdTime is for how long a worker waits for etcd: shorter than a partition lasts.
	etcdTime = 2 * time.Second
)

func openEtcdRegister(endpoint string) (*etcdRegister, error) {
	client, err := clientv3.New(clientv3.Config{Endpoints: []string{endpoint}, Logger: zap.NewNop()})
	return &etcdRegister{client: client}, err
}

func (r *etcdRegister) write(token uint64, value string, _ int) (string, uint64, error) {
	ctx, cancel := context.WithTimeout(context.Background(), etcdTime)
	defer cancel()
	_, err := etcdfence.Do(ctx, r.client, fenceKey, token, clientv3.OpPut(valueKey, value))
	return outcomeOf(err)
}

func (r *etcdRegister) read() (seen uint64, value string, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), etcdTime)
	defer cancel()
	response, seen, err := etcdfence.GetFenced(ctx, r.client, fenceKey, valueKey)
	if err == nil && len(response.Kvs) > 0 {
		value = string(response.Kvs[0].Value)
	}
	return seen, value, err
}

func (r *etcdRegister) close() error { return r.client.Close() }

// outcomeOf says what an error of a write says about it.
func outcomeOf(err error) (outcome string, seen uint64, _ error) {
	var stale *fence.StaleError
	var fault *sqlite.Error
	switch {
	case err == nil:
		return accepted, 0, nil
	case errors.As(err, &stale):
		return refused, stale.Fence, nil
	case errors.As(err, &fault) && fault.Code()&0xff == sqlite3.SQLITE_BUSY:
		return failed, 0, err
	}
	return unknown, 0, err
}
