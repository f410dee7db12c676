package etcdtest

import (
	"context"
	"maps"
	"path"
	"sync"

	"google.golang.org/grpc"
)

// counter counts what clients ask of a node: each unary request, and each message on a stream, by
// the method's name without its service ("Txn", "LeaseKeepAlive").
type counter struct {
	mu     sync.Mutex
	counts map[string]int
}

func (c *counter) add(method string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.counts == nil {
		c.counts = map[string]int{}
	}
	c.counts[path.Base(method)]++
}

func (c *counter) all() map[string]int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.counts)
}

func (c *counter) options() []grpc.ServerOption {
	return []grpc.ServerOption{
		grpc.ChainUnaryInterceptor(func(ctx context.Context, req any, info *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
			c.add(info.FullMethod)
			return handle(ctx, req)
		}),
		grpc.ChainStreamInterceptor(func(srv any, stream grpc.ServerStream, info *grpc.StreamServerInfo, handle grpc.StreamHandler) error {
			return handle(srv, &countedStream{ServerStream: stream, counter: c, method: info.FullMethod})
		}),
	}
}

type countedStream struct {
	grpc.ServerStream
	counter *counter
	method  string
}

// RecvMsg implements grpc.ServerStream.
func (s *countedStream) RecvMsg(m any) error {
	err := s.ServerStream.RecvMsg(m)
	if err == nil {
		s.counter.add(s.method)
	}
	return err
}
