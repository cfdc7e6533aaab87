package main

import (
	"context"
	"flag"
	"fmt"
	"sync"
	"time"

	"github.com/containerd/ttrpc"

	"interop/pb"
)

// load is one benchmark: how long, how wide, how large.
type load struct {
	callers int
	bytes   int
	until   time.Time
}

func (l load) over() bool { return !time.Now().Before(l.until) }

// A bench works until the load is over and answers how many calls or messages that were.
type bench func(ctx context.Context, client *ttrpc.Client, load load) (int, error)

func runBench(flags *flag.FlagSet, arguments []string) error {
	address := flags.String("address", "", "where to connect: unix:///PATH or unix://@NAME")
	kind := flags.String("kind", "unary", "unary, receive, send or pingpong")
	callers := flags.Int("callers", 1, "calls or streams in flight")
	seconds := flags.Float64("seconds", 3, "how long")
	size := flags.Int("bytes", 32, "data in each message")
	flags.Parse(arguments)

	run, ok := benches[*kind]
	if !ok {
		return fmt.Errorf("no benchmark %q", *kind)
	}
	trunk, err := dial(*address)
	if err != nil {
		return err
	}
	client := ttrpc.NewClient(trunk)
	defer client.Close()

	start := time.Now()
	until := start.Add(time.Duration(*seconds * float64(time.Second)))
	count, err := inParallel(client, run, load{*callers, *size, until})
	if err != nil {
		return err
	}
	elapsed := time.Since(start).Seconds()
	print(values{
		"bench": *kind, "callers": *callers, "bytes": *size,
		"seconds": elapsed, "count": count, "rate": float64(count) / elapsed,
	})
	return nil
}

func inParallel(client *ttrpc.Client, run bench, load load) (int, error) {
	counts := make([]int, load.callers)
	failures := make([]error, load.callers)
	var group sync.WaitGroup
	for caller := range counts {
		group.Add(1)
		go func(caller int) {
			defer group.Done()
			counts[caller], failures[caller] = run(context.Background(), client, load)
		}(caller)
	}
	group.Wait()
	total := 0
	for caller, count := range counts {
		if failures[caller] != nil {
			return 0, failures[caller]
		}
		total += count
	}
	return total, nil
}

func benchUnary(ctx context.Context, client *ttrpc.Client, load load) (int, error) {
	request := &pb.Item{Data: make([]byte, load.bytes)}
	for count := 0; ; count++ {
		if load.over() {
			return count, nil
		}
		if err := call(ctx, client, "Echo", request, &pb.Item{}); err != nil {
			return count, err
		}
	}
}
