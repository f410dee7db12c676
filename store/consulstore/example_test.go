package consulstore_test

import (
	"context"
	"fmt"

	"github.com/muster-go/muster/store"
	"github.com/muster-go/muster/store/consulstore"
)

// A program names the drivers that it links; the URL then says where Consul's agent is. Nobody listens
// here.
func ExampleOpen() {
	openers := store.Openers{"consul": consulstore.Open}
	_, err := openers.OpenDriver(context.Background(), "consul://127.0.0.1:1/muster", nil)
	fmt.Println(err)

	_, err = openers.OpenDriver(context.Background(), "consul://127.0.0.1/muster?token-file=/etc/muster/token", nil)
	fmt.Println(err)
	// Output:
	// consul 127.0.0.1:1: read the index: dial tcp 127.0.0.1:1: connect: connection refused (store unreachable)
	// store URL "consul://127.0.0.1/muster" has an unknown parameter "token-file": did you mean token_file? known are ca, cert, dc, key, min_ttl, node, servername, tls, token, token_file and fresh: invalid
}
