package etcdstore

import (
	"bytes"
	"context"
	"os"
	"sync"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/grpc"
)

// passwordFile is read again whenever the client asks for a token: passwords are changed under living
// processes. While it can't be read, the password that was read last is used.
type passwordFile struct {
	name string

	mu     sync.Mutex
	latest string
}

// trimPassword takes off what editors put behind a password.
func trimPassword(data []byte) string { return string(bytes.TrimRight(data, "\r\n")) }

func (f *passwordFile) read() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	if data, err := os.ReadFile(f.name); err == nil && trimPassword(data) != "" {
		f.latest = trimPassword(data)
	}
	return f.latest
}

// intercept is a grpc.UnaryClientInterceptor.
func (f *passwordFile) intercept(ctx context.Context, method string, request, reply any, conn *grpc.ClientConn, invoke grpc.UnaryInvoker, options ...grpc.CallOption) error {
	if login, ok := request.(*pb.AuthenticateRequest); ok {
		login.Password = f.read()
	}
	return invoke(ctx, method, request, reply, conn, options...)
}
