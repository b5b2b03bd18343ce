// Keyless measures what a private-key operation costs where the key is
// elsewhere: the key server by raw packets, in closed loop and under a flood, with
// keys in software and in SoftHSM 2; the PKCS #11 agent beside p11-kit's own
// server; and handshakes by the edge with a key on the key server and one in a
// file. Rows of JSON come out. It is the bench part "keyless"; bench/keyless.go
// runs it.
//
//	keyless -holdfast PROGRAM -direct PROGRAM [-library PATH] [-rounds 5] [-duration 1s] [-parts keyserver,agent,edge]
//
// Servers run on one processor (-server-cpu) and what loads them on the other.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
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
		fmt.Fprintln(os.Stderr, "keyless:", err)
		os.Exit(1)
	}
}

// options are what the command line says.
type options struct {
	holdfast, direct, library string
	serverCPU                 string
	rounds                    int
	duration                  time.Duration
	parts                     []string
}

// row is one measurement.
type row struct {
	Part  string `json:"part"` // "keyserver", "agent", "edge"
	Key   string `json:"key"`  // "P-256 in software" …
	Way   string `json:"way"`  // what is measured
	Round int    `json:"round"`
	// CPU is the server's processor time of one operation in µs, Rate how many
	// there were in a second.
	CPU  float64 `json:"cpu"`
	Rate float64 `json:"rate"`
	// P50 and P99 are of the time from sending to the answer, in ms.
	P50 float64 `json:"p50,omitempty"`
	P99 float64 `json:"p99,omitempty"`
	// Resident is the server's memory under that load in bytes.
	Resident int64 `json:"resident,omitempty"`
}

func parse() *options {
	o := &options{}
	var parts string
	flag.StringVar(&o.holdfast, "holdfast", "", "the holdfast binary")
	flag.StringVar(&o.direct, "direct", "", "the program of bench/direct")
	flag.StringVar(&o.library, "library", "", "SoftHSM 2's library; without it there are no keys in an HSM")
	flag.StringVar(&o.serverCPU, "server-cpu", "0", "processor of the servers")
	flag.IntVar(&o.rounds, "rounds", 5, "how often each way is measured, in turn")
	flag.DurationVar(&o.duration, "duration", time.Second, "length of one measurement")
	flag.StringVar(&parts, "parts", "keyserver,agent,edge", "which parts to measure")
	flag.Parse()
	o.parts = strings.Split(parts, ",")
	return o
}

func run(ctx context.Context) (err error) {
	o := parse()
	dir, err := os.MkdirTemp("", "holdfast-bench-keyless-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	b := &bench{options: o, dir: dir, out: json.NewEncoder(os.Stdout)}
	if err := b.start(ctx); err != nil {
		return errors.Join(err, b.stop())
	}
	defer func() { err = errors.Join(err, b.stop()) }()
	for _, p := range o.parts {
		measure := map[string]func(context.Context) error{"keyserver": b.keyserver, "agent": b.agent, "edge": b.edge}[p]
		if measure == nil {
			return fmt.Errorf("-parts: there is no %q", p)
		}
		if err := measure(ctx); err != nil {
			return fmt.Errorf("%s: %w", p, err)
		}
	}
	return nil
}

// bench is a Holdfast server with keys, and what stands in front of it.
type bench struct {
	*options

	dir   string
	out   *json.Encoder
	env   map[string]string // of the server's clients
	procs []*process
	keys  []*signingKey
	// server is the Holdfast server, which is the key server too.
	server *process
}

func (b *bench) path(name string) string { return filepath.Join(b.dir, name) }

// command returns a command with the environment of the server's clients.
func (b *bench) command(ctx context.Context, program string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, program, args...) //nolint:gosec // the programs under measurement
	cmd.Env = os.Environ()
	for name, value := range b.env {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	cmd.Stderr = os.Stderr
	return cmd
}
