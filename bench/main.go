package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// pinned marks a process that runs on its processor already.
const pinned = "HOLDFAST_BENCH_PINNED"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		stop()
		os.Exit(1)
	}
}

// options are what the command line says.
type options struct {
	only, workloads, servers []string
	conns                    []int
	rounds                   int
	duration, warmup         time.Duration
	serverCPU, loadCPU       string
	noRealTime               bool
	json, profile, work      string
	keys, certificates       int
	// extra are arguments for holdfast dev.
	extra []string
}

func parse(args []string) (*options, error) {
	o := &options{}
	var only, workloads, servers, conns, extra string
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	f.StringVar(&only, "only", "requests,start,keys,revocation,ocsp,lookups,hsm,engines,keyless", "which parts to measure")
	f.StringVar(&workloads, "workloads", strings.Join(workloadNames(), ","), "which requests to measure")
	f.StringVar(&servers, "servers", "holdfast,floor,moto", "which servers to measure")
	f.StringVar(&conns, "conns", "16,64", "how many connections at once")
	f.IntVar(&o.rounds, "rounds", 5, "how often each server is measured, in turn; medians are reported")
	f.DurationVar(&o.duration, "duration", 2*time.Second, "length of one measurement")
	f.DurationVar(&o.warmup, "warmup", 300*time.Millisecond, "load before each measurement")
	f.StringVar(&o.serverCPU, "server-cpu", "0", "processor of the servers")
	f.StringVar(&o.loadCPU, "load-cpu", "1", "processor of the load")
	f.BoolVar(&o.noRealTime, "no-real-time", false, "do not ask for real-time priority")
	f.StringVar(&o.json, "json", "", "file for the results as JSON")
	f.StringVar(&o.profile, "profile", "", "folder for a CPU profile of Holdfast under each workload (at 64 connections)")
	f.StringVar(&o.work, "dir", "", "folder for the servers' data (default: a temporary one); put it on the disk to be measured")
	f.IntVar(&o.keys, "keys", 100_000, "how many keys the store gets for the part \"keys\"")
	f.IntVar(&o.certificates, "certificates", 5_000_000, "how many certificates are stored for the part \"lookups\"")
	f.StringVar(&extra, "holdfast-args", "", "more arguments for holdfast dev")
	if err := f.Parse(args); err != nil {
		return nil, err
	}
	o.only, o.workloads, o.servers, o.extra = split(only), split(workloads), split(servers), strings.Fields(extra)
	for _, c := range split(conns) {
		n, err := strconv.Atoi(c)
		if err != nil || n < 1 {
			return nil, fmt.Errorf("-conns: %q is no number of connections", c)
		}
		o.conns = append(o.conns, n)
	}
	for _, name := range o.workloads {
		if !slices.Contains(workloadNames(), name) {
			return nil, fmt.Errorf("-workloads: there is no %q, only %v", name, workloadNames())
		}
	}
	return o, nil
}

func split(list string) []string {
	return slices.DeleteFunc(strings.Split(list, ","), func(s string) bool { return s == "" })
}

// results is everything that was measured, as -json writes it.
type results struct {
	When     time.Time  `json:"when"`
	Machine  string     `json:"machine"`
	Notes    []string   `json:"notes"`
	Requests []row      `json:"requests,omitempty"`
	Start    *startCost `json:"start,omitempty"`
	Keys     *keysCost  `json:"keys,omitempty"`

	Revocations []revocationCost `json:"revocations,omitempty"`
	Answers     []answerCost     `json:"ocsp,omitempty"`
	HSM         []hsmCost        `json:"hsm,omitempty"`
	Engines     []engineCost     `json:"engines,omitempty"`
	Keyless     []keylessCost    `json:"keyless,omitempty"`
}

func run(ctx context.Context, args []string, out io.Writer) error {
	o, err := parse(args)
	if err != nil {
		return err
	}
	lab, err := newLab(ctx, o, out)
	if err != nil {
		return err
	}
	defer lab.close()
	if os.Getenv(pinned) == "" {
		if err := lab.build(ctx); err != nil {
			return err
		}
		return lab.pin(ctx)
	}
	res := &results{When: time.Now().UTC(), Machine: machine(), Notes: lab.notes}
	say(out, "%s\n", res.Machine)
	for _, n := range res.Notes {
		say(out, "note: %s\n", n)
	}
	if err := measure(ctx, lab, res); err != nil {
		return err
	}
	if o.json == "" {
		return nil
	}
	b, err := json.MarshalIndent(res, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(o.json, append(b, '\n'), 0o600)
}

// measure runs the chosen parts and prints each as it is done.
func measure(ctx context.Context, lab *lab, res *results) error {
	var err error
	if slices.Contains(lab.only, "requests") {
		if res.Requests, err = lab.requests(ctx); err != nil {
			return err
		}
		printRequests(lab.out, res.Requests)
	}
	if slices.Contains(lab.only, "start") {
		if res.Start, err = lab.start(ctx); err != nil {
			return err
		}
		res.Start.print(lab.out)
	}
	if slices.Contains(lab.only, "keys") {
		if res.Keys, err = lab.manyKeys(ctx); err != nil {
			return err
		}
		res.Keys.print(lab.out)
	}
	if slices.Contains(lab.only, "hsm") {
		if res.HSM, err = lab.hsm(ctx); err != nil {
			return err
		}
		printHSM(lab.out, res.HSM)
	}
	if slices.Contains(lab.only, "engines") {
		if res.Engines, err = lab.engines(ctx); err != nil {
			return err
		}
		printEngines(lab.out, res.Engines)
	}
	if slices.Contains(lab.only, "keyless") {
		if res.Keyless, err = lab.keyless(ctx); err != nil {
			return err
		}
		printKeyless(lab.out, res.Keyless)
	}
	return measureCertificates(ctx, lab, res)
}

// measureCertificates runs the parts about very many certificates.
func measureCertificates(ctx context.Context, lab *lab, res *results) error {
	var err error
	if slices.Contains(lab.only, "ocsp") {
		if res.Answers, err = lab.answering(ctx); err != nil {
			return err
		}
		printAnswers(lab.out, res.Answers)
	}
	if slices.Contains(lab.only, "revocation") {
		if res.Revocations, err = lab.revoking(ctx); err != nil {
			return err
		}
		printRevocations(lab.out, res.Revocations)
	}
	if slices.Contains(lab.only, "lookups") {
		return lab.lookups(ctx)
	}
	return nil
}

// lab is where measuring happens: the programs, folders and priorities.
type lab struct {
	*options

	out   io.Writer
	notes []string
	// temporary is removed at the end; "" when the folder was given.
	temporary string
	// prefix is what pins a server: taskset and chrt, as far as they exist.
	prefix          []string
	holdfast, floor string // paths of the binaries
	moto            string // "" when absent
	realTime        bool
}

func newLab(ctx context.Context, o *options, out io.Writer) (*lab, error) {
	l := &lab{options: o, out: out}
	if o.work == "" {
		dir, err := os.MkdirTemp("", "holdfast-bench-")
		if err != nil {
			return nil, err
		}
		o.work, l.temporary = dir, dir
	}
	if err := os.MkdirAll(o.work, 0o700); err != nil {
		return nil, err
	}
	l.holdfast, l.floor = filepath.Join(l.work, "holdfast"), filepath.Join(l.work, "floor")
	if path, err := exec.LookPath("taskset"); err == nil {
		l.prefix = []string{path, "-c", o.serverCPU}
	} else {
		l.notes = append(l.notes, "no taskset: nothing is pinned, and the numbers mean little")
	}
	l.realTime = !o.noRealTime && exec.CommandContext(ctx, "chrt", "-r", "1", "true").Run() == nil
	if l.realTime {
		l.prefix = append(l.prefix, "chrt", "-r", "1") // round-robin: a thread that spins lets the others of its program run
	} else {
		l.notes = append(l.notes, "no real-time priority (chrt -r 1): other work on the machine is in the numbers")
	}
	if path, err := exec.LookPath("moto_server"); err == nil && slices.Contains(o.servers, "moto") {
		l.moto = path
	} else if slices.Contains(o.servers, "moto") {
		l.notes = append(l.notes, "moto_server is not installed: it is not compared with")
	}
	return l, nil
}

// pin runs this program again, on its own processor and with what has been
// built, and waits for it. The building is not pinned: on one processor, with
// real-time priority, the go command would wait for itself.
func (l *lab) pin(ctx context.Context) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	argv := slices.Concat(l.prefix, []string{self}, os.Args[1:], []string{"-dir", l.work})
	if len(l.prefix) > 2 {
		argv[2] = l.loadCPU
	}
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...) //nolint:gosec // this program itself
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.Env = append(os.Environ(), pinned+"=1", "GOMAXPROCS=1")
	cmd.Stdout, cmd.Stderr = l.out, os.Stderr
	return cmd.Run()
}

// build builds the two servers of ours.
func (l *lab) build(ctx context.Context) error {
	for path, pkg := range map[string]string{l.holdfast: "./cmd/holdfast", l.floor: "./bench/floor", l.hsmProgram(): "./bench/hsm", l.enginesProgram(): "./bench/engines", l.keylessProgram(): "./bench/keyless"} {
		cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", path, pkg) //nolint:gosec // our own packages
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("building %s: %w\n%s", pkg, err, out)
		}
	}
	if slices.Contains(l.only, "hsm") || slices.Contains(l.only, "keyless") {
		return l.buildDirect(ctx)
	}
	return nil
}

func (l *lab) close() {
	if l.temporary != "" {
		_ = os.RemoveAll(l.temporary) // a temporary folder; nothing rests on it
	}
}

// machine says what is measured on.
func machine() string {
	model := "unknown processor"
	if b, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(b)) {
			if name, value, _ := strings.Cut(line, ":"); strings.TrimSpace(name) == "model name" {
				model = strings.TrimSpace(value)
				break
			}
		}
	}
	kernel, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		kernel = []byte("unknown kernel")
	}
	return fmt.Sprintf("%s, Linux %s", model, strings.TrimSpace(string(kernel)))
}

// say prints a line of the report. If the terminal has gone, nobody reads it.
func say(out io.Writer, format string, args ...any) { _, _ = fmt.Fprintf(out, format, args...) }
