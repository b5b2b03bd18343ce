package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// What private-key operations elsewhere may cost: the key server's processor time
// against the bare signature's, its memory under a flood against that in closed
// loop, and how many times less the PKCS #11 agent is to cost than p11-kit's
// server.
const (
	keylessECBar     = 2.0
	keylessRSABar    = 1.25
	keylessMemoryBar = 2.0
	agentBar         = 2.0
)

// keylessCost is what one way of using a private key costs.
type keylessCost struct {
	Part string `json:"part"` // "keyserver", "agent", "edge"
	Key  string `json:"key"`
	Way  string `json:"way"`
	// Medians of the rounds: µs of the server's processor, operations a second,
	// ms until the answer, bytes of memory.
	CPU      float64 `json:"cpu"`
	Rate     float64 `json:"rate"`
	P50      float64 `json:"p50,omitempty"`
	P99      float64 `json:"p99,omitempty"`
	Resident float64 `json:"resident,omitempty"`
	// Ratio is the median of the rounds' CPU against that of the part's first way.
	Ratio float64 `json:"ratio"`
}

func (l *lab) keylessProgram() string { return filepath.Join(l.work, "keyless") }

// keyless measures what it costs to use a private key that is elsewhere. The
// program starts its servers on their processor itself.
func (l *lab) keyless(ctx context.Context) ([]keylessCost, error) {
	args := []string{
		l.keylessProgram(), "-holdfast", l.holdfast, "-direct", l.directProgram(), "-server-cpu", l.serverCPU,
		"-rounds", strconv.Itoa(l.rounds), "-duration", l.duration.String(),
	}
	if path, err := library(); err == nil {
		args = append(args, "-library", path)
	} else {
		args = append(args, "-parts", "keyserver,edge")
		say(l.out, "note: %v; keys in it, and the agent beside p11-kit's server, are not measured\n", err)
	}
	cmd := exec.CommandContext(ctx, args[0], args[1:]...) //nolint:gosec // our own program, on this one's processor
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("measuring private keys elsewhere: %w", err)
	}
	return keylessCosts(out)
}

// keylessRow is a line of bench/keyless.
type keylessRow struct {
	keylessCost

	Round int `json:"round"`
}

// keylessCosts sums up the lines of bench/keyless.
func keylessCosts(out []byte) ([]keylessCost, error) {
	type place struct{ part, key, way string }
	rows := map[place][]keylessRow{}
	var order []place
	for d := json.NewDecoder(bytes.NewReader(out)); d.More(); {
		var r keylessRow
		if err := d.Decode(&r); err != nil {
			return nil, err
		}
		p := place{r.Part, r.Key, r.Way}
		if rows[p] == nil {
			order = append(order, p)
		}
		rows[p] = append(rows[p], r)
	}
	var costs []keylessCost
	for _, p := range order {
		these := rows[p]
		median := func(of func(i int) float64) float64 {
			var all []float64
			for i := range these {
				all = append(all, of(i))
			}
			slices.Sort(all)
			return all[len(all)/2]
		}
		first := rows[place{p.part, p.key, firstWay(p.part, p.way)}]
		if len(first) < len(these) {
			return nil, fmt.Errorf("%s, %s, %s: nothing to compare with", p.part, p.key, p.way)
		}
		costs = append(costs, keylessCost{
			Part: p.part, Key: p.key, Way: p.way,
			CPU:      median(func(i int) float64 { return these[i].CPU }),
			Rate:     median(func(i int) float64 { return these[i].Rate }),
			P50:      median(func(i int) float64 { return these[i].P50 }),
			P99:      median(func(i int) float64 { return these[i].P99 }),
			Resident: median(func(i int) float64 { return these[i].Resident }),
			Ratio:    median(func(i int) float64 { return these[i].CPU / first[i].CPU }),
		})
	}
	return costs, nil
}

// firstWay is the one with which another one of a part is compared.
func firstWay(part, way string) string {
	switch part {
	case "keyserver":
		return "bare"
	case "agent":
		_, programs, _ := strings.Cut(way, ", programs: ")
		return "p11-kit server over SoftHSM 2, programs: " + programs
	}
	return "a local key"
}

func printKeyless(out io.Writer, costs []keylessCost) {
	say(out, "\nPrivate keys that are elsewhere; CPU is the server's, and the ratio that against the first line of each key\n\n")
	say(out, "| key | way | CPU µs | a second | p50 ms | p99 ms | resident MB | ratio | bar |\n|---|---|---|---|---|---|---|---|---|\n")
	for _, c := range costs {
		say(out, "| %s | %s | %.1f | %.0f | %s | %s | %s | %.2f | %s |\n",
			c.Key, c.Way, c.CPU, c.Rate, unless0(c.P50), unless0(c.P99), unless0(c.Resident/(1<<20)), c.Ratio, c.verdict())
	}
	for _, key := range []string{"P-256 in software", "RSA-2048 in software", "P-256 in SoftHSM 2", "RSA-2048 in SoftHSM 2"} {
		closed, flood := 0.0, 0.0
		for _, c := range costs {
			switch {
			case c.Part != "keyserver" || c.Key != key:
			case c.Way == "flood":
				flood = c.Resident
			default:
				closed = max(closed, c.Resident)
			}
		}
		if closed > 0 {
			say(out, "%s: memory under flood %.2f × that in closed loop (bar %.1f)\n", key, flood/closed, keylessMemoryBar)
		}
	}
}

// verdict says how a cost stands to its bar.
func (c *keylessCost) verdict() string {
	var bar float64
	ratio := c.Ratio
	switch {
	case c.Part == "keyserver" && c.Way != "bare" && c.Key == "P-256 in software":
		bar = keylessECBar
	case c.Part == "keyserver" && c.Way != "bare" && c.Key == "RSA-2048 in software":
		bar = keylessRSABar
	case c.Part == "agent" && strings.HasPrefix(c.Way, "holdfast pkcs11 serve, programs"):
		bar = 1 / agentBar
	default:
		return ""
	}
	if ratio > bar {
		return fmt.Sprintf("%.2f **MISS**", bar)
	}
	return fmt.Sprintf("%.2f met", bar)
}

// unless0 returns a number with one decimal, or nothing for zero.
func unless0(v float64) string {
	if v == 0 {
		return ""
	}
	return strconv.FormatFloat(v, 'f', 1, 64)
}
