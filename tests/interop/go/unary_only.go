//go:build unary

package main

// What the other files have for streams, for a ttrpc that has none (before 1.2).

import (
	"errors"
	"flag"

	"github.com/containerd/ttrpc"
	"google.golang.org/protobuf/proto"
)

var (
	benches         = map[string]bench{"unary": benchUnary}
	streamScenarios []scenario
)

func register(server *ttrpc.Server) {
	server.Register(serviceName, unaryMethods)
}

func runMux(*flag.FlagSet, []string) error {
	return errors.New("this build has no mux")
}

// gogoMessage is a message of protoc-gen-go in the shape that gogo's codec takes.
type gogoMessage struct{ message proto.Message }

func forCodec(message proto.Message) any { return gogoMessage{message} }

func (g gogoMessage) ProtoMessage()               {}
func (g gogoMessage) Reset()                      { proto.Reset(g.message) }
func (g gogoMessage) String() string              { return "" }
func (g gogoMessage) Marshal() ([]byte, error)    { return proto.Marshal(g.message) }
func (g gogoMessage) Unmarshal(data []byte) error { return proto.Unmarshal(data, g.message) }
