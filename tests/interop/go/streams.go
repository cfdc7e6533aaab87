//go:build !unary

package main

import (
	"context"
	"errors"
	"io"

	"github.com/containerd/ttrpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"interop/pb"
)

var streamMethods = map[string]ttrpc.Stream{
	"Count":          {Handler: count, StreamingServer: true},
	"Sum":            {Handler: sum, StreamingClient: true},
	"Chat":           {Handler: chat, StreamingClient: true, StreamingServer: true},
	"Divide":         {Handler: divide, StreamingClient: true, StreamingServer: true},
	"StreamMetadata": {Handler: streamMetadata, StreamingServer: true},
}

func register(server *ttrpc.Server) {
	server.RegisterService(serviceName, &ttrpc.ServiceDesc{
		Methods: unaryMethods,
		Streams: streamMethods,
	})
}

// forCodec: this ttrpc takes messages as protoc-gen-go makes them.
func forCodec(message proto.Message) any { return message }

func count(ctx context.Context, stream ttrpc.StreamServer) (any, error) {
	request := &pb.Counting{}
	if err := stream.RecvMsg(request); err != nil {
		return nil, err
	}
	data := make([]byte, request.Size)
	for number := int64(1); number <= int64(request.Count); number++ {
		if err := rest(ctx, request.PauseMilliseconds); err != nil {
			return nil, err
		}
		if err := stream.SendMsg(&pb.Item{Number: number, Data: data}); err != nil {
			return nil, err
		}
	}
	if request.Failure != nil {
		return nil, failure(request.Failure)
	}
	return nil, nil
}

func sum(_ context.Context, stream ttrpc.StreamServer) (any, error) {
	total := &pb.Total{}
	err := each(stream, func(item *pb.Item) error {
		if item.Number < 0 {
			return status.Errorf(codes.InvalidArgument, "%d is negative", item.Number)
		}
		total.Items++
		total.Bytes += uint64(len(item.Data))
		total.Sum += item.Number
		return nil
	})
	return total, err
}

func chat(_ context.Context, stream ttrpc.StreamServer) (any, error) {
	return nil, each(stream, func(item *pb.Item) error {
		return stream.SendMsg(item)
	})
}

func divide(_ context.Context, stream ttrpc.StreamServer) (any, error) {
	return nil, each(stream, func(division *pb.Division) error {
		if division.Divisor == 0 {
			return status.Errorf(codes.InvalidArgument, "%d divided by zero", division.Dividend)
		}
		return stream.SendMsg(&pb.Item{Number: division.Dividend / division.Divisor})
	})
}

func streamMetadata(ctx context.Context, stream ttrpc.StreamServer) (any, error) {
	if err := stream.RecvMsg(&pb.Item{}); err != nil {
		return nil, err
	}
	return nil, stream.SendMsg(seen(ctx))
}

// each handles the messages of a stream until its other side is done sending.
func each[Message any](stream ttrpc.StreamServer, handle func(*Message) error) error {
	for {
		message := new(Message)
		if err := stream.RecvMsg(message); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		if err := handle(message); err != nil {
			return err
		}
	}
}
