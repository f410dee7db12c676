package zkstore_test

import (
	"context"
	"fmt"

	"github.com/muster-go/muster/store"
	"github.com/muster-go/muster/store/zkstore"
)

// A program names the drivers that it links; the URL then says where ZooKeeper is. Nobody listens here,
// and each host says so itself.
func ExampleOpen() {
	openers := store.Openers{"zk": zkstore.Open, "exhibitor": zkstore.OpenExhibitor}
	_, err := openers.OpenDriver(context.Background(), "zk://127.0.0.1:1,127.0.0.1:2/muster", nil)
	fmt.Println(err)

	_, err = openers.OpenDriver(context.Background(), "zk://127.0.0.1/zookeeper/muster", nil)
	fmt.Println(err)
	// Output:
	// zookeeper: 127.0.0.1:1: dial tcp 127.0.0.1:1: connect: connection refused; 127.0.0.1:2: dial tcp 127.0.0.1:2: connect: connection refused: store unreachable
	// store URL "zk://127.0.0.1/zookeeper/muster" has the root /zookeeper, which is ZooKeeper's own: choose another one: invalid
}

// Exhibitor says which servers of ZooKeeper's there are.
func ExampleOpenExhibitor() {
	openers := store.Openers{"exhibitor": zkstore.OpenExhibitor}
	_, err := openers.OpenDriver(context.Background(), "exhibitor://127.0.0.1:1/muster?poll=10s", nil)
	fmt.Println(err)
	// Output:
	// exhibitor 127.0.0.1:1: dial tcp 127.0.0.1:1: connect: connection refused (store unreachable)
}
