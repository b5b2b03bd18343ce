package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/holdfast-kms/holdfast/internal/hsm/preset"
)

// hsmBar is the share of the direct figure that the way through a process of
// its own is to reach.
const hsmBar = 0.85

// hsmCost is how many signatures a second a SoftHSM 2 token makes.
type hsmCost struct {
	Key     string  `json:"key"`
	Callers int     `json:"callers"`
	Direct  float64 `json:"direct"` // medians, signatures a second
	Worker  float64 `json:"worker"`
	Engine  float64 `json:"engine"`
	// The ratios are medians of the rounds' own: what else the machine did in a
	// round hit its ways alike.
	WorkerRatio float64 `json:"worker_ratio"`
	EngineRatio float64 `json:"engine_ratio"`
}

func (l *lab) hsmProgram() string { return filepath.Join(l.work, "hsm") }

func (l *lab) directProgram() string { return filepath.Join(l.work, "direct") }

// buildDirect builds the program of bench/direct, which is C so that nothing
// stands between it and the library.
func (l *lab) buildDirect(ctx context.Context) error {
	cmd := exec.CommandContext(ctx, "cc", "-O2", "-pthread", "-o", l.directProgram(), filepath.Join("bench", "direct", "direct.c"), "-ldl") //nolint:gosec // our own program
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("building bench/direct: %w\n%s", err, out)
	}
	return nil
}

// library returns the path of SoftHSM 2's library.
func library() (string, error) {
	for _, p := range preset.All() {
		for _, path := range p.Modules {
			if _, err := os.Stat(path); err == nil && strings.Contains(path, "softhsm") {
				return path, nil
			}
		}
	}
	return "", errors.New("the part \"hsm\" needs SoftHSM 2 (package softhsm2)")
}

// hsm measures signatures with keys in a token, on both processors: a library
// and its caller are one program there and two here.
func (l *lab) hsm(ctx context.Context) ([]hsmCost, error) {
	path, err := library()
	if err != nil {
		return nil, err
	}
	args := []string{
		l.hsmProgram(), "-direct", l.directProgram(), "-library", path,
		"-rounds", strconv.Itoa(l.rounds), "-duration", min(l.duration, time.Second).String(),
	}
	out, err := l.onBoth(ctx, args)
	if err != nil {
		return nil, fmt.Errorf("measuring signatures in an HSM: %w", err)
	}
	return hsmCosts(out)
}

// onBoth runs a program on both processors and returns what it prints.
func (l *lab) onBoth(ctx context.Context, args []string) ([]byte, error) {
	if len(l.prefix) > 2 {
		both := slices.Clone(l.prefix)
		both[2] = l.serverCPU + "," + l.loadCPU
		args = append(both, args...)
	}
	cmd := exec.CommandContext(ctx, args[0], args[1:]...) //nolint:gosec // our own program
	cmd.Env = slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "GOMAXPROCS=") })
	cmd.Stderr = os.Stderr
	return cmd.Output()
}

// hsmRow is a line of bench/hsm.
type hsmRow struct {
	Key     string  `json:"key"`
	Way     string  `json:"way"`
	Callers int     `json:"callers"`
	Round   int     `json:"round"`
	Rate    float64 `json:"rate"`
}

// hsmCosts sums up the lines of bench/hsm.
func hsmCosts(out []byte) ([]hsmCost, error) {
	type round struct{ direct, worker, engine float64 }
	var costs []hsmCost
	rounds := map[hsmCost]map[int]round{}
	for d := json.NewDecoder(bytes.NewReader(out)); d.More(); {
		var r hsmRow
		if err := d.Decode(&r); err != nil {
			return nil, err
		}
		c := hsmCost{Key: r.Key, Callers: r.Callers}
		if rounds[c] == nil {
			costs, rounds[c] = append(costs, c), map[int]round{}
		}
		this := rounds[c][r.Round]
		switch r.Way {
		case "direct":
			this.direct = r.Rate
		case "worker":
			this.worker = r.Rate
		case "engine":
			this.engine = r.Rate
		}
		rounds[c][r.Round] = this
	}
	for i, c := range costs {
		median := func(f func(round) float64) float64 {
			var all []float64
			for _, r := range rounds[c] {
				all = append(all, f(r))
			}
			slices.Sort(all)
			return all[len(all)/2]
		}
		costs[i].Direct = median(func(r round) float64 { return r.direct })
		costs[i].Worker = median(func(r round) float64 { return r.worker })
		costs[i].Engine = median(func(r round) float64 { return r.engine })
		costs[i].WorkerRatio = median(func(r round) float64 { return r.worker / r.direct })
		costs[i].EngineRatio = median(func(r round) float64 { return r.engine / r.direct })
	}
	return costs, nil
}

func printHSM(out io.Writer, costs []hsmCost) {
	say(out, "\nSignatures a second with keys in SoftHSM 2, on both processors\n\n")
	say(out, "| key | callers | direct | worker | engine | worker ÷ direct | engine ÷ direct | bar |\n|---|---|---|---|---|---|---|---|\n")
	for _, c := range costs {
		verdict := "met"
		if c.WorkerRatio < hsmBar || c.EngineRatio < hsmBar {
			verdict = "**MISS**"
		}
		say(out, "| %s | %d | %.0f | %.0f | %.0f | %.2f | %.2f | %.2f %s |\n",
			c.Key, c.Callers, c.Direct, c.Worker, c.Engine, c.WorkerRatio, c.EngineRatio, hsmBar, verdict)
	}
}
