package main

import (
	"context"
	"errors"
	"flag"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/containerd/ttrpc"
)

const serviceName = "toolkit.interop.v1.Interop"

func runServer(flags *flag.FlagSet, arguments []string) error {
	address := flags.String("address", "", "where to listen: unix:///PATH or unix://@NAME")
	flags.Parse(arguments)

	server, err := newServer()
	if err != nil {
		return err
	}
	listener, err := listen(*address)
	if err != nil {
		return err
	}
	go func() {
		waitForStop()
		server.Close()
	}()
	print(map[string]string{"listening": *address})
	if err := server.Serve(context.Background(), listener); !errors.Is(err, ttrpc.ErrServerClosed) {
		return err
	}
	return nil
}

func newServer() (*ttrpc.Server, error) {
	server, err := ttrpc.NewServer()
	if err == nil {
		register(server)
	}
	return server, err
}

// waitForStop returns on SIGTERM, SIGINT or the end of stdin, so that no peer outlives its test.
func waitForStop() {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	ended := make(chan struct{})
	go func() {
		io.Copy(io.Discard, os.Stdin)
		close(ended)
	}()
	select {
	case <-signals:
	case <-ended:
	}
}
