//go:build !unary

package main

import (
	"context"
	"errors"
	"io"

	"github.com/containerd/ttrpc"

	"interop/pb"
)

var benches = map[string]bench{
	"unary":    benchUnary,
	"receive":  benchReceive,
	"send":     benchSend,
	"pingpong": benchPingPong,
}

// benchReceive asks for batches, because a stream that is left cannot be stopped in TTRPC.
func benchReceive(ctx context.Context, client *ttrpc.Client, load load) (int, error) {
	batch := max(1, min(10000, 1<<26/max(1, load.bytes)))
	received := 0
	for !load.over() {
		request := &pb.Counting{Count: uint32(batch), Size: uint32(load.bytes)}
		stream, err := open(ctx, client, serverStreaming, "Count", request)
		if err != nil {
			return received, err
		}
		for {
			err := stream.RecvMsg(&pb.Item{})
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				return received, err
			}
			received++
		}
	}
	return received, nil
}

func benchSend(ctx context.Context, client *ttrpc.Client, load load) (int, error) {
	stream, err := open(ctx, client, clientStreaming, "Sum", nil)
	if err != nil {
		return 0, err
	}
	item := &pb.Item{Data: make([]byte, load.bytes)}
	sent := 0
	for ; !load.over(); sent++ {
		if err := stream.SendMsg(item); err != nil {
			return sent, err
		}
	}
	if err := stream.CloseSend(); err != nil {
		return sent, err
	}
	total := &pb.Total{}
	if err := stream.RecvMsg(total); err != nil {
		return sent, err
	}
	if int(total.Items) != sent {
		return sent, mismatch{total.Items, sent}
	}
	return sent, nil
}

func benchPingPong(ctx context.Context, client *ttrpc.Client, load load) (int, error) {
	stream, err := open(ctx, client, bidirectional, "Chat", nil)
	if err != nil {
		return 0, err
	}
	item := &pb.Item{Data: make([]byte, load.bytes)}
	trips := 0
	for ; !load.over(); trips++ {
		if err := stream.SendMsg(item); err != nil {
			return trips, err
		}
		if err := stream.RecvMsg(&pb.Item{}); err != nil {
			return trips, err
		}
	}
	return trips, closeAndEnd(stream)
}
