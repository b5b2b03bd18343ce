// Engines signs with keys in key services in two ways, in turn, and prints what
// each costs as JSON: "bare" is one call of the service's official SDK, "engine"
// is the way that a server's signature takes (package remote and the engine
// above it). It is the bench part "engines"; bench/engines.go runs it.
//
// The services are the loopback ones of the engines' tests, and for AWS a
// Holdfast, each in a process of its own, so that the process time of this one
// is the client's alone.
//
//	engines -holdfast PROGRAM [-rounds 5] [-duration 1s] [-services awskms,azurekv,gcpkms,vault]
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "engines:", err)
		os.Exit(1)
	}
}

// options are what the command line says.
type options struct {
	holdfast string
	serve    string
	services []string
	rounds   int
	duration time.Duration
}

// row is one measurement.
type row struct {
	Service string  `json:"service"`
	Way     string  `json:"way"`
	Round   int     `json:"round"`
	Count   int     `json:"count"`
	Wall    float64 `json:"wall"` // µs a signature
	CPU     float64 `json:"cpu"`  // µs of this process a signature
}

// signer is a key in a service, used in both ways.
type signer struct {
	bare, engine func(ctx context.Context) error
	close        func() error
}

// openers open a key in each service.
var openers = []struct {
	name string
	open func(context.Context, *place) (*signer, error)
}{
	{"awskms", openAWS}, {"azurekv", openAzure}, {"gcpkms", openGoogle}, {"vault", openVault},
}

func run(ctx context.Context) error {
	o := parse()
	if o.serve != "" {
		return serve(ctx, o.serve)
	}
	out := json.NewEncoder(os.Stdout)
	for _, s := range openers {
		if !slices.Contains(o.services, s.name) {
			continue
		}
		if err := measure(ctx, o, s.name, s.open, out); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
	}
	return nil
}

func parse() *options {
	o := &options{}
	var services string
	flag.StringVar(&o.holdfast, "holdfast", "bin/holdfast", "the server that is the service of awskms")
	flag.StringVar(&o.serve, "serve", "", "be the service of this name instead, and say where it is")
	flag.StringVar(&services, "services", "awskms,azurekv,gcpkms,vault", "which to measure")
	flag.IntVar(&o.rounds, "rounds", 5, "how often each way is measured, in turn")
	flag.DurationVar(&o.duration, "duration", time.Second, "length of one measurement")
	flag.Parse()
	o.services = strings.Split(services, ",")
	return o
}

// measure measures one service.
func measure(ctx context.Context, o *options, name string, open func(context.Context, *place) (*signer, error), out *json.Encoder) (err error) {
	p, end, err := start(ctx, o, name)
	if err != nil {
		return err
	}
	defer end()
	s, err := open(ctx, p)
	if err != nil {
		return err
	}
	defer func() {
		if e := s.close(); err == nil {
			err = e
		}
	}()
	ways := []struct {
		name string
		sign func(context.Context) error
	}{{"bare", s.bare}, {"engine", s.engine}}
	for _, way := range ways { // connections, tokens and code are warm after it
		if _, err := count(ctx, way.sign, o.duration/4); err != nil {
			return fmt.Errorf("%s: %w", way.name, err)
		}
	}
	for round := range o.rounds {
		for _, way := range ways {
			r, err := count(ctx, way.sign, o.duration)
			if err != nil {
				return fmt.Errorf("%s: %w", way.name, err)
			}
			r.Service, r.Way, r.Round = name, way.name, round
			if err := out.Encode(r); err != nil {
				return err
			}
		}
	}
	return nil
}

// count signs for a while, one signature after the other.
func count(ctx context.Context, sign func(context.Context) error, d time.Duration) (row, error) {
	var r row
	cpu, began := processTime(), time.Now()
	for time.Since(began) < d {
		if err := sign(ctx); err != nil {
			return r, err
		}
		r.Count++
	}
	n := float64(max(1, r.Count))
	r.Wall = float64(time.Since(began).Microseconds()) / n
	r.CPU = float64((processTime() - cpu).Microseconds()) / n
	return r, nil
}

// processTime is what this process has used of the processors.
func processTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
