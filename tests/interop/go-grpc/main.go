// Command peer is a gRPC server with Go's own reflection, for our client of it to ask.
//
//	peer server --address unix:///tmp/a.sock|tcp://127.0.0.1:0 [--reflection both|v1|v1alpha|none]
//
// One line of JSON on stdout gives the address to dial once it listens.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/reflection"
	"google.golang.org/grpc/reflection/grpc_reflection_v1alpha"

	"interop/pb"
)

// reflections are what can be registered; clients have to find out which it is.
var reflections = map[string]func(server *grpc.Server){
	"both":    func(server *grpc.Server) { reflection.Register(server) },
	"v1":      func(server *grpc.Server) { reflection.RegisterV1(server) },
	"v1alpha": registerV1Alpha,
	"none":    func(*grpc.Server) {},
}

// interop is described by hand: generated code would take one more generator. Reflection takes its
// methods from the file; those that are missing here answer UNIMPLEMENTED.
var interop = grpc.ServiceDesc{
	ServiceName: "toolkit.interop.v1.Interop",
	Methods:     []grpc.MethodDesc{{MethodName: "Echo", Handler: echo}},
	Metadata:    pb.File_interop_proto.Path(),
}

func main() {
	if len(os.Args) < 2 || os.Args[1] != "server" {
		fmt.Fprintln(os.Stderr, "usage: peer server --address unix:///PATH|tcp://HOST:PORT ...")
		os.Exit(2)
	}
	flags := flag.NewFlagSet("peer server", flag.ExitOnError)
	if err := runServer(flags, os.Args[2:]); err != nil {
		fmt.Fprintln(os.Stderr, "peer:", err)
		os.Exit(1)
	}
}

func runServer(flags *flag.FlagSet, arguments []string) error {
	address := flags.String("address", "", "where to listen: unix:///PATH or tcp://HOST:PORT")
	kind := flags.String("reflection", "both", "both, v1, v1alpha or none")
	flags.Parse(arguments)

	register, ok := reflections[*kind]
	if !ok {
		return fmt.Errorf("no reflection %q", *kind)
	}
	server := grpc.NewServer()
	grpc_health_v1.RegisterHealthServer(server, health.NewServer())
	server.RegisterService(&interop, nil)
	register(server)

	listener, target, err := listen(*address)
	if err != nil {
		return err
	}
	go func() {
		waitForStop()
		server.Stop()
	}()
	if err := json.NewEncoder(os.Stdout).Encode(map[string]string{"listening": target}); err != nil {
		return err
	}
	if err := server.Serve(listener); !errors.Is(err, grpc.ErrServerStopped) {
		return err // nil when it is stopped while it serves
	}
	return nil
}

// listen also answers what a client dials: gRPC has a scheme for sockets with a path, none for TCP.
func listen(address string) (net.Listener, string, error) {
	network, place, ok := strings.Cut(address, "://")
	if !ok {
		return nil, "", fmt.Errorf("no scheme in %q", address)
	}
	listener, err := net.Listen(network, place)
	if err != nil {
		return nil, "", err
	}
	if network == "unix" {
		return listener, address, nil
	}
	return listener, listener.Addr().String(), nil
}

// registerV1Alpha is reflection as grpc-go had it before 1.57: no v1.
func registerV1Alpha(server *grpc.Server) {
	service := reflection.NewServer(reflection.ServerOptions{Services: server})
	grpc_reflection_v1alpha.RegisterServerReflectionServer(server, service)
}

func echo(
	_ any, _ context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor,
) (any, error) {
	item := &pb.Item{}
	return item, decode(item)
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
