//go:build !unary

package main

import (
	"context"
	"errors"
	"io"
	"sync"

	"github.com/containerd/ttrpc"
	"google.golang.org/protobuf/types/known/anypb"

	"interop/pb"
)

var streamScenarios = []scenario{
	// Not a stream, but gogo's codec, of the ttrpc that has none, dies of the details.
	{"fail-details", fails(&pb.Failure{Code: 5, Message: "no such thing", Details: []*anypb.Any{
		{TypeUrl: "toolkit.interop.v1.Size", Value: []byte{8, 7}},
	}})},
	{"count", counted(&pb.Counting{Count: 100, Size: 32})},
	{"count-none", counted(&pb.Counting{})},
	{"count-large", counted(&pb.Counting{Count: 4, Size: largeData})},
	{"count-fail", counted(&pb.Counting{Count: 3, Failure: &pb.Failure{Code: 9, Message: "three are enough"}})},
	{"count-deadline", countDeadline},
	{"sum", summed(numbers(100))},
	{"sum-none", summed(nil)},
	{"sum-empty-items", summed(emptyItems)},
	{"sum-large", summed([]*pb.Item{largeItem, largeItem})},
	{"sum-fail", sumFail},
	{"chat", chatInTurn},
	{"chat-none", chatNone},
	{"chat-empty-items", chatEmptyItems},
	{"chat-pipelined", chatPipelined},
	{"chat-many", chatMany},
	{"divide", divided(7, 2, 9, 3)},
	{"divide-fail", divided(7, 2, 1, 0)},
	{"stream-metadata", streamMetadataSeen},
	{"stream-beside-calls", streamBesideCalls},
	{"unknown-stream-service", unknownStream("toolkit.interop.v1.Missing", "Chat")},
	{"unknown-stream-method", unknownStream(serviceName, "Missing")},
}

var (
	emptyItems = []*pb.Item{{}, {}, {}}
	largeItem  = &pb.Item{Data: make([]byte, largeData)}

	clientStreaming = &ttrpc.StreamDesc{StreamingClient: true}
	serverStreaming = &ttrpc.StreamDesc{StreamingServer: true}
	bidirectional   = &ttrpc.StreamDesc{StreamingClient: true, StreamingServer: true}
)

func open(ctx context.Context, client *ttrpc.Client, kind *ttrpc.StreamDesc, method string, request any) (ttrpc.ClientStream, error) {
	return client.NewStream(ctx, kind, serviceName, method, request)
}

// counted receives all items of a Count and wants them in order.
func counted(request *pb.Counting) func(context.Context, *ttrpc.Client) (values, error) {
	return func(ctx context.Context, client *ttrpc.Client) (values, error) {
		stream, err := open(ctx, client, serverStreaming, "Count", request)
		if err != nil {
			return nil, err
		}
		received := int64(0)
		for {
			item := &pb.Item{}
			err := stream.RecvMsg(item)
			if errors.Is(err, io.EOF) {
				err = nil
				if received != int64(request.Count) {
					err = mismatch{received, request.Count}
				}
				return values{"received": received}, err
			}
			if err != nil {
				return values{"received": received}, err
			}
			received++
			if err := same(item, &pb.Item{Number: received, Data: make([]byte, request.Size)}); err != nil {
				return nil, err
			}
		}
	}
}

func countDeadline(ctx context.Context, client *ttrpc.Client) (values, error) {
	ctx, cancel := context.WithTimeout(ctx, aMoment)
	defer cancel()
	return counted(&pb.Counting{Count: 2, PauseMilliseconds: 1000})(ctx, client)
}

func numbers(count int64) []*pb.Item {
	items := make([]*pb.Item, count)
	for i := range items {
		items[i] = &pb.Item{Number: int64(i + 1)}
	}
	return items
}

func summed(items []*pb.Item) func(context.Context, *ttrpc.Client) (values, error) {
	return func(ctx context.Context, client *ttrpc.Client) (values, error) {
		stream, err := open(ctx, client, clientStreaming, "Sum", nil)
		if err != nil {
			return nil, err
		}
		want := &pb.Total{}
		for _, item := range items {
			if err := stream.SendMsg(item); err != nil {
				return nil, err
			}
			want.Items++
			want.Bytes += uint64(len(item.Data))
			want.Sum += item.Number
		}
		if err := stream.CloseSend(); err != nil {
			return nil, err
		}
		got := &pb.Total{}
		if err := stream.RecvMsg(got); err != nil {
			return nil, err
		}
		if got.Items != want.Items || got.Bytes != want.Bytes || got.Sum != want.Sum {
			return nil, mismatch{got, want}
		}
		return values{"items": got.Items, "bytes": got.Bytes, "sum": got.Sum}, nil
	}
}

// sumFail sends what the server refuses and waits for the refusal before it would close.
func sumFail(ctx context.Context, client *ttrpc.Client) (values, error) {
	stream, err := open(ctx, client, clientStreaming, "Sum", nil)
	if err != nil {
		return nil, err
	}
	if err := stream.SendMsg(&pb.Item{Number: -1}); err != nil {
		return nil, err
	}
	return nil, stream.RecvMsg(&pb.Total{})
}

// chatInTurn sends an item, wants it back, and sends the next.
func chatInTurn(ctx context.Context, client *ttrpc.Client) (values, error) {
	return chatOf(ctx, client, numbers(100))
}

func chatNone(ctx context.Context, client *ttrpc.Client) (values, error) {
	return chatOf(ctx, client, nil)
}

func chatEmptyItems(ctx context.Context, client *ttrpc.Client) (values, error) {
	return chatOf(ctx, client, emptyItems)
}

func chatOf(ctx context.Context, client *ttrpc.Client, items []*pb.Item) (values, error) {
	stream, err := open(ctx, client, bidirectional, "Chat", nil)
	if err != nil {
		return nil, err
	}
	for _, item := range items {
		reply := &pb.Item{}
		if err := stream.SendMsg(item); err != nil {
			return nil, err
		}
		if err := stream.RecvMsg(reply); err != nil {
			return nil, err
		}
		if err := same(reply, item); err != nil {
			return nil, err
		}
	}
	return values{"received": len(items)}, closeAndEnd(stream)
}

// closeAndEnd ends sending and wants the end of the stream in return.
func closeAndEnd(stream ttrpc.ClientStream) error {
	if err := stream.CloseSend(); err != nil {
		return err
	}
	err := stream.RecvMsg(&pb.Item{})
	if err == nil {
		return mismatch{"one more message", "the end"}
	}
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// chatPipelined sends 1,000 items without waiting, and wants them back in order.
func chatPipelined(ctx context.Context, client *ttrpc.Client) (values, error) {
	stream, err := open(ctx, client, bidirectional, "Chat", nil)
	if err != nil {
		return nil, err
	}
	items := numbers(1000)
	sent := make(chan error, 1)
	go func() {
		for _, item := range items {
			if err := stream.SendMsg(item); err != nil {
				sent <- err
				return
			}
		}
		sent <- nil
	}()
	for i, item := range items {
		reply := &pb.Item{}
		if err := stream.RecvMsg(reply); err != nil {
			return values{"received": i}, err
		}
		if err := same(reply, item); err != nil {
			return values{"received": i}, err
		}
	}
	if err := <-sent; err != nil {
		return nil, err
	}
	return values{"received": len(items)}, closeAndEnd(stream)
}

// chatMany holds 100 streams open at once, each with 20 items.
func chatMany(ctx context.Context, client *ttrpc.Client) (values, error) {
	const streams = 100
	failures := make(chan error, streams)
	var group sync.WaitGroup
	for i := 0; i < streams; i++ {
		group.Add(1)
		go func() {
			defer group.Done()
			_, err := chatOf(ctx, client, numbers(20))
			failures <- err
		}()
	}
	group.Wait()
	close(failures)
	for err := range failures {
		if err != nil {
			return nil, err
		}
	}
	return values{"streams": streams}, nil
}

// divided gives pairs of dividend and divisor and collects the quotients.
func divided(pairs ...int64) func(context.Context, *ttrpc.Client) (values, error) {
	return func(ctx context.Context, client *ttrpc.Client) (values, error) {
		stream, err := open(ctx, client, bidirectional, "Divide", nil)
		if err != nil {
			return nil, err
		}
		quotients := []int64{}
		for i := 0; i < len(pairs); i += 2 {
			if err := stream.SendMsg(&pb.Division{Dividend: pairs[i], Divisor: pairs[i+1]}); err != nil {
				return nil, err
			}
			reply := &pb.Item{}
			if err := stream.RecvMsg(reply); err != nil {
				return values{"quotients": quotients}, err
			}
			quotients = append(quotients, reply.Number)
		}
		return values{"quotients": quotients}, closeAndEnd(stream)
	}
}

// streamMetadataSeen: Go's client sends neither metadata nor a timeout on streams (ttrpc #159).
func streamMetadataSeen(ctx context.Context, client *ttrpc.Client) (values, error) {
	ctx = ttrpc.WithMetadata(ctx, ttrpc.MD{"key-1": {"one", "two"}})
	stream, err := open(ctx, client, serverStreaming, "StreamMetadata", &pb.Item{})
	if err != nil {
		return nil, err
	}
	reply := &pb.Seen{}
	if err := stream.RecvMsg(reply); err != nil {
		return nil, err
	}
	if err := stream.RecvMsg(&pb.Seen{}); !errors.Is(err, io.EOF) {
		return nil, mismatch{err, io.EOF}
	}
	return seenValues(reply), nil
}

// streamBesideCalls makes unary calls while a stream is open on the same connection.
func streamBesideCalls(ctx context.Context, client *ttrpc.Client) (values, error) {
	stream, err := open(ctx, client, bidirectional, "Chat", nil)
	if err != nil {
		return nil, err
	}
	for number := int64(1); number <= 20; number++ {
		item := &pb.Item{Number: number}
		if err := stream.SendMsg(item); err != nil {
			return nil, err
		}
		if _, err := echoOf(&pb.Item{Number: -number})(ctx, client); err != nil {
			return nil, err
		}
		reply := &pb.Item{}
		if err := stream.RecvMsg(reply); err != nil {
			return nil, err
		}
		if err := same(reply, item); err != nil {
			return nil, err
		}
	}
	return nil, closeAndEnd(stream)
}

// unknownStream waits for the refusal and sends nothing after the request.
func unknownStream(service, method string) func(context.Context, *ttrpc.Client) (values, error) {
	return func(ctx context.Context, client *ttrpc.Client) (values, error) {
		stream, err := client.NewStream(ctx, bidirectional, service, method, nil)
		if err != nil {
			return nil, err
		}
		return nil, stream.RecvMsg(&pb.Item{})
	}
}
