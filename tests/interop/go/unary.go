package main

import (
	"context"
	"sort"
	"time"

	"github.com/containerd/ttrpc"
	spb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"interop/pb"
)

var unaryMethods = map[string]ttrpc.Method{
	"Echo":     unary(echo),
	"Fill":     unary(fill),
	"Fail":     unary(fail),
	"Sleep":    unary(sleep),
	"Metadata": unary(metadata),
}

// unary wraps a typed handler as ttrpc's generated code does.
func unary[Request any, Reply proto.Message, Pointer interface {
	*Request
	proto.Message
}](handler func(context.Context, *Request) (Reply, error)) ttrpc.Method {
	return func(ctx context.Context, unmarshal func(any) error) (any, error) {
		request := Pointer(new(Request))
		if err := unmarshal(forCodec(request)); err != nil {
			return nil, err
		}
		reply, err := handler(ctx, request)
		return forCodec(reply), err
	}
}

func echo(_ context.Context, request *pb.Item) (*pb.Item, error) {
	return request, nil
}

func fill(_ context.Context, request *pb.Size) (*pb.Item, error) {
	return &pb.Item{Data: make([]byte, request.Bytes)}, nil
}

func fail(_ context.Context, request *pb.Failure) (*pb.Item, error) {
	return nil, failure(request)
}

func failure(request *pb.Failure) error {
	return status.ErrorProto(&spb.Status{
		Code:    request.Code,
		Message: request.Message,
		Details: request.Details,
	})
}

func sleep(ctx context.Context, request *pb.Delay) (*pb.Item, error) {
	return &pb.Item{}, rest(ctx, request.Milliseconds)
}

func rest(ctx context.Context, milliseconds uint32) error {
	if milliseconds == 0 {
		return nil
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(time.Duration(milliseconds) * time.Millisecond):
		return nil
	}
}

func metadata(ctx context.Context, _ *pb.Item) (*pb.Seen, error) {
	return seen(ctx), nil
}

func seen(ctx context.Context) *pb.Seen {
	reply := &pb.Seen{}
	pairs, _ := ttrpc.GetMetadata(ctx)
	for key, values := range pairs {
		for _, value := range values {
			reply.Metadata = append(reply.Metadata, &pb.Entry{Key: key, Value: value})
		}
	}
	sort.SliceStable(reply.Metadata, func(i, j int) bool {
		return reply.Metadata[i].Key < reply.Metadata[j].Key
	})
	if deadline, ok := ctx.Deadline(); ok {
		reply.TimeoutNano = time.Until(deadline).Nanoseconds()
	}
	return reply
}
