package main

import (
	"context"
	"encoding/base64"
	"errors"
	"flag"
	"fmt"
	"slices"
	"time"

	"github.com/containerd/ttrpc"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/anypb"
)

// scenarioLimit is far above what a scenario takes; a hang becomes a result.
const scenarioLimit = 20 * time.Second

// values are what a scenario saw, for the test to judge.
type values map[string]any

// outcome is the line about one scenario: a status has a code, any other failure an error word.
type outcome struct {
	Scenario string   `json:"scenario"`
	OK       bool     `json:"ok"`
	Code     int32    `json:"code,omitempty"`
	Error    string   `json:"error,omitempty"`
	Message  string   `json:"message,omitempty"`
	Details  []values `json:"details,omitempty"`
	Values   values   `json:"values,omitempty"`
}

type scenario struct {
	name string
	run  func(ctx context.Context, client *ttrpc.Client) (values, error)
}

// mismatch is a reply that came but is not what the scenario wants.
type mismatch struct{ got, want any }

func (m mismatch) Error() string {
	return fmt.Sprintf("got %v, want %v", m.got, m.want)
}

func runClient(flags *flag.FlagSet, arguments []string) error {
	address := flags.String("address", "", "where to connect: unix:///PATH or unix://@NAME")
	flags.Parse(arguments)

	trunk, err := dial(*address)
	if err != nil {
		return err
	}
	client := ttrpc.NewClient(trunk)
	defer client.Close()
	return runScenarios(client, flags.Args())
}

// runScenarios runs the named scenarios, or all, one after another over one connection.
func runScenarios(client *ttrpc.Client, names []string) error {
	selected, err := selectScenarios(names)
	if err != nil {
		return err
	}
	for _, scenario := range selected {
		ctx, cancel := context.WithTimeout(context.Background(), scenarioLimit)
		seen, err := scenario.run(ctx, client)
		cancel()
		print(newOutcome(scenario.name, seen, err))
	}
	return nil
}

func selectScenarios(names []string) ([]scenario, error) {
	all := slices.Concat(unaryScenarios, streamScenarios, lastScenarios)
	if len(names) == 0 {
		return all, nil
	}
	byName := map[string]scenario{}
	for _, scenario := range all {
		byName[scenario.name] = scenario
	}
	var selected []scenario
	for _, name := range names {
		scenario, ok := byName[name]
		if !ok {
			return nil, fmt.Errorf("no scenario %q", name)
		}
		selected = append(selected, scenario)
	}
	return selected, nil
}

func newOutcome(name string, seen values, err error) outcome {
	line := outcome{Scenario: name, OK: err == nil, Values: seen}
	if err == nil {
		return line
	}
	line.Message = err.Error()
	if failed, ok := status.FromError(err); ok {
		line.Code = failed.Proto().Code
		line.Message = failed.Proto().Message
		line.Details = encodeDetails(failed.Proto().Details)
	} else {
		line.Error = errorWord(err)
	}
	return line
}

func encodeDetails(details []*anypb.Any) []values {
	var encoded []values
	for _, detail := range details {
		encoded = append(encoded, values{
			"type_url": detail.TypeUrl,
			"value":    base64.StdEncoding.EncodeToString(detail.Value),
		})
	}
	return encoded
}

func errorWord(err error) string {
	var wrong mismatch
	switch {
	case errors.As(err, &wrong):
		return "mismatch"
	case errors.Is(err, context.DeadlineExceeded):
		return "deadline"
	case errors.Is(err, context.Canceled):
		return "cancelled"
	case errors.Is(err, ttrpc.ErrClosed):
		return "closed"
	default:
		return "other"
	}
}
