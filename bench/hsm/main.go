// Hsm signs with keys in a SoftHSM 2 token in three ways, in turn, and prints
// what each costs as JSON: "direct" is the C program of bench/direct in its own
// process, "worker" is package worker with nothing above it, "engine" is the
// way that a server's signature takes (engine/pkcs11 over package hsm). It is
// the bench part "hsm"; bench/hsm.go runs it.
//
//	hsm -direct PROGRAM -library PATH [-rounds 5] [-duration 1s] [-workers 1] [-callers 1,8]
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/holdfast-kms/holdfast/internal/pkcs11/worker"
)

func main() {
	worker.Main()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "hsm:", err)
		os.Exit(1)
	}
}

// options are what the command line says.
type options struct {
	direct, library string
	times, workers  int
	callers         []int
	duration        time.Duration
}

// row is one measurement.
type row struct {
	Key     string  `json:"key"`
	Way     string  `json:"way"`
	Callers int     `json:"callers"`
	Round   int     `json:"round"`
	Rate    float64 `json:"rate"` // signatures a second
}

func run(ctx context.Context) error {
	o, err := parse()
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "holdfast-bench-hsm-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir) //nolint:errcheck // a temporary folder; nothing rests on it
	b, err := open(ctx, o, dir)
	if err != nil {
		return err
	}
	defer b.close()
	out := json.NewEncoder(os.Stdout)
	for _, k := range b.keys {
		for _, n := range o.callers {
			if err := b.rounds(ctx, out, k, n); err != nil {
				return fmt.Errorf("%s, %d callers: %w", k.name, n, err)
			}
		}
	}
	return nil
}

func parse() (*options, error) {
	o := &options{}
	var callers string
	flag.StringVar(&o.direct, "direct", "", "the program of bench/direct")
	flag.StringVar(&o.library, "library", "", "SoftHSM 2's library")
	flag.IntVar(&o.times, "rounds", 5, "how often each way is measured, in turn")
	flag.IntVar(&o.workers, "workers", 1, "how many processes load the library")
	flag.StringVar(&callers, "callers", "1,8", "how many callers at once")
	flag.DurationVar(&o.duration, "duration", time.Second, "length of one measurement")
	flag.Parse()
	for c := range strings.SplitSeq(callers, ",") {
		n, err := strconv.Atoi(c)
		if err != nil || n < 1 || n > 64 {
			return nil, fmt.Errorf("-callers: %q is no number of callers from 1 to 64", c)
		}
		o.callers = append(o.callers, n)
	}
	return o, nil
}

// rounds measures a key's signatures in all ways, in turn.
func (b *bench) rounds(ctx context.Context, out *json.Encoder, k *signingKey, callers int) error {
	for round := range b.times {
		for _, way := range []string{"direct", "worker", "engine"} {
			rate, err := b.measure(ctx, k, way, callers)
			if err != nil {
				return fmt.Errorf("%s: %w", way, err)
			}
			if err := out.Encode(row{k.name, way, callers, round, rate}); err != nil {
				return err
			}
		}
	}
	return nil
}
