//go:build !unary

package main

import (
	"context"
	"flag"
	"net"

	"github.com/containerd/nri/pkg/net/multiplex"
	"github.com/containerd/ttrpc"
)

// runMux is both roles over one trunk, as an NRI plugin and its runtime are: it serves
// on one logical connection and runs client scenarios on another.
func runMux(flags *flag.FlagSet, arguments []string) error {
	address := flags.String("address", "", "the trunk: unix:///PATH or unix://@NAME")
	accept := flags.Bool("listen", false, "wait for the trunk instead of connecting to it")
	serve := flags.Uint("serve", 1, "the logical connection to serve on")
	call := flags.Uint("call", 2, "the logical connection to call on")
	flags.Parse(arguments)

	trunk, err := openTrunk(*address, *accept)
	if err != nil {
		return err
	}
	mux := multiplex.Multiplex(trunk)
	defer mux.Close()

	server, err := newServer()
	if err != nil {
		return err
	}
	listener, err := mux.Listen(multiplex.ConnID(*serve))
	if err != nil {
		return err
	}
	go server.Serve(context.Background(), listener)
	defer server.Close()

	connection, err := mux.Open(multiplex.ConnID(*call))
	if err != nil {
		return err
	}
	client := ttrpc.NewClient(connection)
	defer client.Close()
	if len(flags.Args()) > 0 {
		if err := runScenarios(client, flags.Args()); err != nil {
			return err
		}
	}
	print(values{"scenarios": "done"})
	waitForStop()
	return nil
}

func openTrunk(address string, accept bool) (net.Conn, error) {
	if !accept {
		trunk, err := dial(address)
		if err == nil {
			print(values{"connected": address})
		}
		return trunk, err
	}
	listener, err := listen(address)
	if err != nil {
		return nil, err
	}
	defer listener.Close()
	print(values{"listening": address})
	return listener.Accept()
}
