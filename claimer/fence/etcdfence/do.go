package etcdfence

import (
	"context"
	"fmt"
	"strconv"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/muster-go/muster/claimer/fence"
)

// Do applies the operations, in one transaction, if the token isn't below the fence at the key
// fenceKey, which becomes the token. *fence.StaleError (errors.Is fence.ErrStale): a greater token
// was there before, and nothing was applied.
//
// Operations must not write the fence key. etcd takes 128 operations in a transaction, one of which
// is the fence's. With an OpTxn among them, conditions of the program's own stand behind the fence;
// responses stand in the order of the operations.
func Do(ctx context.Context, client *clientv3.Client, fenceKey string, token uint64, ops ...clientv3.Op) ([]*etcdserverpb.ResponseOp, error) {
	what := fmt.Sprintf("etcd key %q", fenceKey)
	if fenceKey == "" {
		return nil, fmt.Errorf("etcd fence: the fence key is empty: name one beside what it protects: %w", fence.ErrInvalid)
	}
	if err := fence.CheckToken(what, token); err != nil {
		return nil, err
	}
	// A comparison of the value of a missing key is false, whatever it is. So the condition is that
	// the fence stands above the token, and what is to be done is done otherwise.
	response, err := onceKV(client).Txn(ctx).
		If(clientv3.Compare(clientv3.Value(fenceKey), ">", encode(token))).
		Then(clientv3.OpGet(fenceKey)).
		Else(append([]clientv3.Op{clientv3.OpPut(fenceKey, encode(token))}, ops...)...).
		Commit()
	switch {
	case err != nil:
		return nil, fmt.Errorf("%s: token %d: %w", what, token, err)
	case !response.Succeeded:
		return response.Responses[1:], nil
	}
	seen, err := decode(response.Responses[0].GetResponseRange().Kvs[0].Value)
	if err != nil {
		return nil, fmt.Errorf("%s: nothing was written: %w", what, err)
	}
	return nil, &fence.StaleError{What: what, Token: token, Fence: seen}
}

// GetFenced reads a key and the fence that protects it, at one revision: the response and the greatest
// token that was seen, 0 if none was.
func GetFenced(ctx context.Context, client *clientv3.Client, fenceKey, key string, options ...clientv3.OpOption) (*clientv3.GetResponse, uint64, error) {
	response, err := onceKV(client).Txn(ctx).Then(clientv3.OpGet(fenceKey), clientv3.OpGet(key, options...)).Commit()
	if err != nil {
		return nil, 0, fmt.Errorf("etcd key %q: %w", key, err)
	}
	var seen uint64
	if kvs := response.Responses[0].GetResponseRange().Kvs; len(kvs) > 0 {
		if seen, err = decode(kvs[0].Value); err != nil {
			return nil, 0, fmt.Errorf("etcd key %q: %w", fenceKey, err)
		}
	}
	got := (*clientv3.GetResponse)(response.Responses[1].GetResponseRange())
	got.Header = response.Header
	return got, seen, nil
}

const digits = 20

func encode(token uint64) string { return fmt.Sprintf("%0*d", digits, token) }

func decode(value []byte) (uint64, error) {
	token, err := strconv.ParseUint(string(value), 10, 64)
	if err != nil || len(value) != digits {
		return 0, fmt.Errorf("the value %q is no token of %d digits: another program writes this key: %w", value, digits, fence.ErrInvalid)
	}
	return token, nil
}

// onceKV is the client's, but repeats nothing that may have been done.
func onceKV(client *clientv3.Client) clientv3.KV {
	return clientv3.NewKVFromKVClient(once{clientv3.RetryKVClient(client)}, client)
}

type once struct{ etcdserverpb.KVClient }

// Txn keeps the client from sending a transaction again whose end was Canceled or DeadlineExceeded:
// after one that was applied, and then outranked, the second one's answer would be a lie.
func (o once) Txn(ctx context.Context, request *etcdserverpb.TxnRequest, options ...grpc.CallOption) (*etcdserverpb.TxnResponse, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	return o.KVClient.Txn(ctx, request, append(options, grpc.OnFinish(func(err error) {
		if code := status.Code(err); code == codes.Canceled || code == codes.DeadlineExceeded {
			cancel()
		}
	}))...)
}
