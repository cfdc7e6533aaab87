package main

import (
	"bytes"
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/containerd/ttrpc"
	"google.golang.org/protobuf/proto"

	"interop/pb"
)

const (
	maxData   = 4 << 20                // TTRPC's limit for a frame, envelope included
	largeData = 3900 * 1024            // near the limit
	muchTime  = 10 * time.Second       // longer than any scenario waits
	aMoment   = 100 * time.Millisecond // a deadline that is meant to pass
)

var unaryScenarios = []scenario{
	{"echo", echoOf(&pb.Item{Number: 42, Data: []byte("hello")})},
	{"echo-empty", echoOf(&pb.Item{})},
	{"echo-large", echoOf(&pb.Item{Data: bytes.Repeat([]byte("large"), largeData/5)})},
	{"echo-sizes", echoSizes},
	{"echo-oversize", echoOf(&pb.Item{Data: make([]byte, maxData)})},
	{"fail", fails(&pb.Failure{Code: 5, Message: "no such thing"})},
	{"fail-unknown-code", fails(&pb.Failure{Code: 99, Message: "no such thing"})},
	{"sleep", sleepWithin(muchTime, 50)},
	{"deadline", sleepWithin(aMoment, 5000)},
	{"cancel", cancelSleep},
	{"metadata", sendMetadata},
	{"timeout", sendTimeout},
	{"unknown-service", unknown("toolkit.interop.v1.Missing", "Echo")},
	{"unknown-method", unknown(serviceName, "Missing")},
	{"concurrent", concurrent},
	{"overtake", overtake},
}

// Go's server closes the connection when a reply is too large, so this comes after the others.
var lastScenarios = []scenario{{"fill-oversize", fillOversize}}

func call(ctx context.Context, client *ttrpc.Client, method string, request, reply proto.Message) error {
	return client.Call(ctx, serviceName, method, forCodec(request), forCodec(reply))
}

func echoOf(item *pb.Item) func(context.Context, *ttrpc.Client) (values, error) {
	return func(ctx context.Context, client *ttrpc.Client) (values, error) {
		reply := &pb.Item{}
		if err := call(ctx, client, "Echo", item, reply); err != nil {
			return nil, err
		}
		return nil, same(reply, item)
	}
}

func same(got, want *pb.Item) error {
	if got.Number != want.Number || !bytes.Equal(got.Data, want.Data) {
		return mismatch{describe(got), describe(want)}
	}
	return nil
}

func describe(item *pb.Item) string {
	return fmt.Sprintf("item %d of %d bytes", item.Number, len(item.Data))
}

// echoSizes walks over the sizes at which buffers and multiplexers split frames.
func echoSizes(ctx context.Context, client *ttrpc.Client) (values, error) {
	sizes := []int{1, 4000, 4096, 4200, 65536, 1 << 20, 4100000}
	for _, size := range sizes {
		if _, err := echoOf(&pb.Item{Data: make([]byte, size)})(ctx, client); err != nil {
			return nil, fmt.Errorf("%d bytes: %w", size, err)
		}
	}
	return values{"sizes": sizes}, nil
}

func fillOversize(ctx context.Context, client *ttrpc.Client) (values, error) {
	return nil, call(ctx, client, "Fill", &pb.Size{Bytes: maxData}, &pb.Item{})
}

func fails(failure *pb.Failure) func(context.Context, *ttrpc.Client) (values, error) {
	return func(ctx context.Context, client *ttrpc.Client) (values, error) {
		return nil, call(ctx, client, "Fail", failure, &pb.Item{})
	}
}

func sleepWithin(limit time.Duration, milliseconds uint32) func(context.Context, *ttrpc.Client) (values, error) {
	return func(ctx context.Context, client *ttrpc.Client) (values, error) {
		ctx, cancel := context.WithTimeout(ctx, limit)
		defer cancel()
		return nil, call(ctx, client, "Sleep", &pb.Delay{Milliseconds: milliseconds}, &pb.Item{})
	}
}

func cancelSleep(ctx context.Context, client *ttrpc.Client) (values, error) {
	ctx, cancel := context.WithCancel(ctx)
	time.AfterFunc(aMoment, cancel)
	return nil, call(ctx, client, "Sleep", &pb.Delay{Milliseconds: 5000}, &pb.Item{})
}

func sendMetadata(ctx context.Context, client *ttrpc.Client) (values, error) {
	ctx = ttrpc.WithMetadata(ctx, ttrpc.MD{"Key-1": {"one", "two"}, "key-2": {"ünïcode"}})
	reply := &pb.Seen{}
	err := call(ctx, client, "Metadata", &pb.Item{}, reply)
	return seenValues(reply), err
}

func sendTimeout(ctx context.Context, client *ttrpc.Client) (values, error) {
	ctx, cancel := context.WithTimeout(ctx, muchTime)
	defer cancel()
	reply := &pb.Seen{}
	err := call(ctx, client, "Metadata", &pb.Item{}, reply)
	return seenValues(reply), err
}

func seenValues(reply *pb.Seen) values {
	pairs := [][2]string{}
	for _, entry := range reply.Metadata {
		pairs = append(pairs, [2]string{entry.Key, entry.Value})
	}
	return values{"metadata": pairs, "timeout_nano": reply.TimeoutNano}
}

func unknown(service, method string) func(context.Context, *ttrpc.Client) (values, error) {
	return func(ctx context.Context, client *ttrpc.Client) (values, error) {
		return nil, client.Call(ctx, service, method, forCodec(&pb.Item{}), forCodec(&pb.Item{}))
	}
}

// concurrent has 1,000 calls in flight at once, each with a reply of its own.
func concurrent(ctx context.Context, client *ttrpc.Client) (values, error) {
	const calls = 1000
	failures := make(chan error, calls)
	var group sync.WaitGroup
	for number := int64(1); number <= calls; number++ {
		group.Add(1)
		go func(number int64) {
			defer group.Done()
			_, err := echoOf(&pb.Item{Number: number})(ctx, client)
			failures <- err
		}(number)
	}
	group.Wait()
	close(failures)
	for err := range failures {
		if err != nil {
			return nil, err
		}
	}
	return values{"calls": calls}, nil
}

// overtake starts a slow call and wants the reply of a later, quick one first.
func overtake(ctx context.Context, client *ttrpc.Client) (values, error) {
	order := make(chan string, 2)
	slow := make(chan error, 1)
	go func() {
		err := call(ctx, client, "Sleep", &pb.Delay{Milliseconds: 300}, &pb.Item{})
		order <- "slow"
		slow <- err
	}()
	time.Sleep(aMoment)
	if _, err := echoOf(&pb.Item{Number: 1})(ctx, client); err != nil {
		return nil, err
	}
	order <- "quick"
	if err := <-slow; err != nil {
		return nil, err
	}
	if first := <-order; first != "quick" {
		return nil, mismatch{first, "quick"}
	}
	return nil, nil
}
