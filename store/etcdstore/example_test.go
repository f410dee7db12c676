package etcdstore_test

import (
	"context"
	"fmt"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"

	"github.com/muster-go/muster/store"
	"github.com/muster-go/muster/store/etcdstore"
)

// A program names the drivers that it links; the URL then says where the cluster is. Nobody listens
// here, and each host says so itself.
func ExampleOpen() {
	openers := store.Openers{"etcd": etcdstore.Open}
	_, err := openers.OpenDriver(context.Background(), "etcd://127.0.0.1:1,127.0.0.1:2/muster", nil)
	fmt.Println(err)

	_, err = openers.OpenDriver(context.Background(), "etcd://127.0.0.1/muster?ca-cert=ca.pem", nil)
	fmt.Println(err)
	// Output:
	// etcd: 127.0.0.1:1: dial tcp 127.0.0.1:1: connect: connection refused; 127.0.0.1:2: dial tcp 127.0.0.1:2: connect: connection refused: store unreachable
	// store URL "etcd://127.0.0.1/muster" has an unknown parameter "ca-cert": did you mean cacert? known are cacert, cert, key, password-file, servername, tls and fresh: invalid
}

// A program that has a client of etcd can use it for the store too. It goes on to belong to the
// program.
func ExampleNew() {
	client, err := clientv3.New(clientv3.Config{Endpoints: []string{"127.0.0.1:2379"}, Logger: zap.NewNop()})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = client.Close() }()
	driver, err := etcdstore.New(etcdstore.Config{Client: client, Prefix: "muster"})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = driver.Close() }()
	limits := driver.Limits()
	fmt.Println("shortest TTL:", limits.MinTTL)
	fmt.Println("next leader within", limits.WorstFailover(limits.MinTTL), "of a crash")
	// Output:
	// shortest TTL: 2s
	// next leader within 6s of a crash
}
