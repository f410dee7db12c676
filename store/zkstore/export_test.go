package zkstore

import (
	"context"

	"github.com/muster-go/muster/store"
)

// Requests is how many requests a driver has made.
func Requests(d store.Driver) int { return int(d.(*driver).requests.Load()) }

// ChangeAfter does an update or a delete, with something between its reading the record and its writing.
// It gives the error of that one try, whose condition is that the record is the one that was read.
func ChangeAfter(ctx context.Context, opened store.Driver, w store.Write, between func()) error {
	d := opened.(*driver)
	l, err := d.linked(ctx, "test")
	if err != nil {
		return err
	}
	now, _, err := d.stand(ctx, l, w.Key)
	if err != nil {
		return err
	}
	between()
	_, err = d.replace(ctx, l, "test", w, now)
	return err
}

// ErrOvertaken is the error of a write that another one came before.
var ErrOvertaken = errOvertaken

// LinkError is what a caller of the link hears of an error of the library's.
func LinkError(err error) error { return (&client{d: &driver{}}).explain(err) }
