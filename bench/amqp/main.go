// Command amqp measures what reading messages from RabbitMQ costs, both ends;
// ../README.md says how.
//
//	main.go      flags
//	bench.go     what both kinds of runs share: the broker, rounds, where results go
//	consume.go   what a message costs the process that reads it
//	cost.go      what tracing costs the broker
//	traffic.go   an application: publishes and consumes
//	reader.go    the child process that is measured, or makes the broker work
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

// settings are what the command line says.
type settings struct {
	rounds   int
	messages int           // published for each run of consume
	body     int           // bytes
	rate     int           // messages/s of cost, and of consume with atPace
	atPace   bool          // consume reads while messages come, and not what has piled up
	lasts    time.Duration // of each run of cost
	name     string        // results are kept under this name; "" writes to out/
	profile  string        // CPU profile of the receiver in the first round of consume
}

var errUsage = errors.New("usage: amqp consume|cost [flags]; amqp COMMAND -h lists them")

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "amqp:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) == 0 {
		return errUsage
	}
	if args[0] == readerCommand {
		return read(ctx, args[1:], os.Stdout)
	}
	s, err := parse(args)
	if err != nil {
		return err
	}
	command := "go run -C bench ./amqp " + strings.Join(args, " ")
	switch args[0] {
	case "consume":
		return measure(ctx, command, s, consume)
	case "cost":
		return measure(ctx, command, s, cost)
	}
	return errUsage
}

func parse(args []string) (*settings, error) {
	s := &settings{}
	flags := flag.NewFlagSet("amqp "+args[0], flag.ContinueOnError)
	flags.IntVar(&s.rounds, "rounds", 5, "each consumer or situation has its turn once in a round")
	flags.IntVar(&s.messages, "messages", 50_000, "published for each run of consume, of which the firehose tells two events each, and of cost with -rate 0")
	flags.IntVar(&s.body, "body", 256, "bytes of a message's body")
	flags.IntVar(&s.rate, "rate", 2000, "messages/s of cost (0 is as fast as they are consumed), and of consume with -at-pace")
	flags.BoolVar(&s.atPace, "at-pace", false, "consume: read while messages are published at -rate, and not what has piled up before")
	flags.DurationVar(&s.lasts, "for", 15*time.Second, "cost: how long each run publishes")
	flags.StringVar(&s.name, "name", "", "keep the results as results/DATE-NAME; without it they go to out/")
	flags.StringVar(&s.profile, "profile", "", "consume: write a CPU profile of amqp_trace in the first round here. Do not publish such a run")
	if err := flags.Parse(args[1:]); err != nil {
		return nil, err
	}
	if s.rounds < 1 || s.messages < 1 || s.rate < 0 || s.body < 0 || s.lasts <= 0 {
		return nil, fmt.Errorf("-rounds, -messages and -for must be positive, -rate and -body not negative, got %d, %d, %v, %d, %d", s.rounds, s.messages, s.lasts, s.rate, s.body)
	}
	return s, nil
}
