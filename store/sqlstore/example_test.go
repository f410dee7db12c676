package sqlstore_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/muster-go/muster/store"
	"github.com/muster-go/muster/store/sqlstore"
)

// A program names the drivers that it links; the URL then says which file holds the store.
func ExampleOpenSQLite() {
	dir, err := os.MkdirTemp("", "muster")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = os.RemoveAll(dir) }()
	openers := store.Openers{"sqlite": sqlstore.OpenSQLite}
	driver, err := openers.OpenDriver(context.Background(), "sqlite://"+filepath.ToSlash(dir)+"/muster.db", nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = driver.Close() }()
	outcomes, err := driver.Apply(context.Background(), []store.Write{{Kind: store.Create, Key: "greeting", Value: []byte("hello")}})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("written as revision", outcomes[0].Rev)
	fmt.Println("shortest TTL:", driver.Limits().MinTTL)
	// Output:
	// written as revision 1
	// shortest TTL: 1s
}
