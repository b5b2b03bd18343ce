package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strconv"
	"time"
)

// What the engine layer may add to a bare call of a service's SDK: a share of
// its time, or so many µs of the process.
const (
	engineShare = 0.05
	engineTime  = 50
)

// engineCost is what a P-256 signature by a key service costs its client.
type engineCost struct {
	Service string `json:"service"`
	// Medians of the rounds, in µs of the client's process.
	Bare   float64 `json:"bare"`
	Engine float64 `json:"engine"`
	// Added is the median of what the engine added in each round.
	Added float64 `json:"added"`
	// BareWall and EngineWall are the times from call to answer, in µs.
	BareWall   float64 `json:"bare_wall"`
	EngineWall float64 `json:"engine_wall"`
}

func (l *lab) enginesProgram() string { return filepath.Join(l.work, "engines") }

// engines measures signatures by loopback key services: by a bare call of the
// official SDK, and by the engine.
func (l *lab) engines(ctx context.Context) ([]engineCost, error) {
	out, err := l.onBoth(ctx, []string{
		l.enginesProgram(), "-holdfast", l.holdfast, "-rounds", strconv.Itoa(l.rounds), "-duration", min(l.duration, time.Second).String(),
	})
	if err != nil {
		return nil, fmt.Errorf("measuring key services: %w", err)
	}
	return engineCosts(out)
}

// engineRow is a line of bench/engines.
type engineRow struct {
	Service string  `json:"service"`
	Way     string  `json:"way"`
	Wall    float64 `json:"wall"`
	CPU     float64 `json:"cpu"`
}

// engineCosts sums up the lines of bench/engines.
func engineCosts(out []byte) ([]engineCost, error) {
	rows := map[string]map[string][]engineRow{}
	var names []string
	for d := json.NewDecoder(bytes.NewReader(out)); d.More(); {
		var r engineRow
		if err := d.Decode(&r); err != nil {
			return nil, err
		}
		if rows[r.Service] == nil {
			names, rows[r.Service] = append(names, r.Service), map[string][]engineRow{}
		}
		rows[r.Service][r.Way] = append(rows[r.Service][r.Way], r)
	}
	var costs []engineCost
	for _, name := range names {
		bare, engine := rows[name]["bare"], rows[name]["engine"]
		median := func(of func(round int) float64) float64 {
			var all []float64
			for round := range min(len(bare), len(engine)) {
				all = append(all, of(round))
			}
			slices.Sort(all)
			return all[len(all)/2]
		}
		costs = append(costs, engineCost{
			Service:    name,
			Bare:       median(func(n int) float64 { return bare[n].CPU }),
			Engine:     median(func(n int) float64 { return engine[n].CPU }),
			Added:      median(func(n int) float64 { return engine[n].CPU - bare[n].CPU }),
			BareWall:   median(func(n int) float64 { return bare[n].Wall }),
			EngineWall: median(func(n int) float64 { return engine[n].Wall }),
		})
	}
	return costs, nil
}

func printEngines(out io.Writer, costs []engineCost) {
	say(out, "\nA P-256 signature by a key service on loopback: µs of the client's process, and from call to answer\n\n")
	say(out, "| service | bare SDK call | engine | added | bare, answer | engine, answer | bar |\n|---|---|---|---|---|---|---|\n")
	for _, c := range costs {
		verdict := "met"
		if c.Added > engineTime && c.Added > engineShare*c.Bare {
			verdict = "**MISS**"
		}
		say(out, "| %s | %.0f | %.0f | %.0f (%.0f %%) | %.0f | %.0f | %.0f %% or %d µs: %s |\n",
			c.Service, c.Bare, c.Engine, c.Added, 100*c.Added/c.Bare, c.BareWall, c.EngineWall, 100*engineShare, engineTime, verdict)
	}
}
