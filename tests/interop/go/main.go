// Command peer is the Go side of the interoperability tests: a server, a client
// and a load generator over github.com/containerd/ttrpc.
//
//	peer server --address unix:///tmp/a.sock
//	peer client --address unix:///tmp/a.sock [SCENARIO...]
//	peer bench  --address unix:///tmp/a.sock --kind unary --callers 64 --seconds 3
//	peer mux    --address unix:///tmp/a.sock [--listen] --serve 1 --call 2 [SCENARIO...]
//
// Every line on stdout is one JSON object.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"net"
	"os"
	"strings"
	"time"
)

var commands = map[string]func(flags *flag.FlagSet, arguments []string) error{
	"server": runServer,
	"client": runClient,
	"bench":  runBench,
	"mux":    runMux,
}

func main() {
	if len(os.Args) < 2 || commands[os.Args[1]] == nil {
		fmt.Fprintln(os.Stderr, "usage: peer server|client|bench|mux --address unix:///PATH ...")
		os.Exit(2)
	}
	flags := flag.NewFlagSet("peer "+os.Args[1], flag.ExitOnError)
	if err := commands[os.Args[1]](flags, os.Args[2:]); err != nil {
		fmt.Fprintln(os.Stderr, "peer:", err)
		os.Exit(1)
	}
}

// print writes one line of JSON to stdout.
func print(line any) {
	encoded, err := json.Marshal(line)
	if err != nil {
		panic(err)
	}
	os.Stdout.Write(append(encoded, '\n'))
}

func listen(address string) (net.Listener, error) {
	path := strings.TrimPrefix(address, "unix://")
	if !strings.HasPrefix(path, "@") {
		os.Remove(path)
	}
	return net.Listen("unix", path)
}

func dial(address string) (net.Conn, error) {
	return net.DialTimeout("unix", strings.TrimPrefix(address, "unix://"), 5*time.Second)
}
