package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"text/tabwriter"
	"time"
)

// motoConns is how many connections moto gets: it keeps none alive and starts
// a thread for each.
const motoConns = 4

// motoBar is how many times moto's rate of Encrypt is wanted.
const motoBar = 20

// row is a workload at a number of connections, all servers.
type row struct {
	Workload string           `json:"workload"`
	Title    string           `json:"title"`
	Conns    int              `json:"conns"`
	Bar      float64          `json:"bar,omitempty"`
	Servers  map[string]*cost `json:"servers"`
}

// cost is what a request cost a server: medians over the rounds.
type cost struct {
	CPU  float64 `json:"cpu_us"` // microseconds of processor time a request
	Rate float64 `json:"rate"`   // requests a second
	P50  float64 `json:"p50_ms"`
	P99  float64 `json:"p99_ms"`

	rounds []cost
}

// requests measures all workloads on all servers, in turn.
func (l *lab) requests(ctx context.Context) ([]row, error) {
	subjects, err := l.startAll(ctx)
	defer func() {
		for _, s := range subjects {
			_ = s.stop() // measured and done
		}
	}()
	if err != nil {
		return nil, err
	}
	var rows []row
	for _, w := range workloads() {
		if !slices.Contains(l.workloads, w.name) {
			continue
		}
		for _, conns := range l.conns {
			r, err := l.workload(ctx, subjects, &w, conns)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", w.title, err)
			}
			rows = append(rows, *r)
		}
		if err := l.profileOf(ctx, subjects, &w); err != nil {
			return nil, err
		}
	}
	return rows, nil
}

// startAll starts the chosen servers and gives them their keys.
func (l *lab) startAll(ctx context.Context) ([]*subject, error) {
	var subjects []*subject
	for name, start := range map[string]func() (*server, error){
		"holdfast": func() (*server, error) { return l.startHoldfast(ctx, filepath.Join(l.work, "data"), true) },
		"floor":    func() (*server, error) { return l.startFloor(ctx) },
		"moto":     func() (*server, error) { return l.startMoto(ctx) },
	} {
		if !slices.Contains(l.servers, name) || name == "moto" && l.moto == "" {
			continue
		}
		s, err := start()
		if err != nil {
			return subjects, err
		}
		sub, err := prepare(ctx, s)
		if err == nil {
			err = s.calm(ctx)
		}
		if err != nil {
			return subjects, errors.Join(err, s.stop())
		}
		subjects = append(subjects, sub)
	}
	order := []string{"holdfast", "floor", "moto"}
	slices.SortFunc(subjects, func(a, b *subject) int {
		return cmp.Compare(slices.Index(order, a.name), slices.Index(order, b.name))
	})
	return subjects, nil
}

// workload measures one workload: A, B, C, A, B, C …, so that what the
// machine does meanwhile hits all alike.
func (l *lab) workload(ctx context.Context, subjects []*subject, w *workload, conns int) (*row, error) {
	r := &row{Workload: w.name, Title: w.title, Conns: conns, Bar: w.bar, Servers: map[string]*cost{}}
	for round := range l.rounds {
		for _, s := range subjects {
			if s.name == "moto" && (w.target == "" || conns != l.conns[0]) || s.name == "floor" && w.name == made {
				continue // moto issues no certificates, and once is enough; the floor keeps no keys
			}
			c, err := l.once(ctx, s, w, conns)
			if err != nil {
				return nil, fmt.Errorf("%s, round %d: %w", s.name, round+1, err)
			}
			if r.Servers[s.name] == nil {
				r.Servers[s.name] = &cost{}
			}
			r.Servers[s.name].rounds = append(r.Servers[s.name].rounds, *c)
		}
	}
	for _, c := range r.Servers {
		c.median()
	}
	return r, nil
}

// once measures one round on one server.
func (l *lab) once(ctx context.Context, s *subject, w *workload, conns int) (*cost, error) {
	if s.name == "moto" {
		conns = motoConns
	}
	load, stop, err := s.load(ctx, w, conns)
	if err != nil {
		return nil, err
	}
	defer stop()
	if _, err := load.run(ctx, l.warmup, 0); err != nil {
		return nil, err
	}
	return s.under(ctx, load, l.duration)
}

// under measures what the requests of a load cost the server.
func (s *server) under(ctx context.Context, load *load, d time.Duration) (*cost, error) {
	before, err := s.cpu()
	if err != nil {
		return nil, err
	}
	out, err := load.run(ctx, d, 0)
	if err != nil {
		return nil, err
	}
	after, err := s.cpu()
	if err != nil {
		return nil, err
	}
	return &cost{
		CPU:  microseconds(after-before) / float64(len(out.latencies)),
		Rate: out.rate(), P50: milliseconds(out.quantile(0.5)), P99: milliseconds(out.quantile(0.99)),
	}, nil
}

// profileOf saves a CPU profile of Holdfast under a workload.
func (l *lab) profileOf(ctx context.Context, subjects []*subject, w *workload) error {
	i := slices.IndexFunc(subjects, func(s *subject) bool { return s.pprof != "" })
	if l.profile == "" || i < 0 {
		return nil
	}
	if err := os.MkdirAll(l.profile, 0o750); err != nil {
		return err
	}
	load, stop, err := subjects[i].load(ctx, w, l.conns[len(l.conns)-1])
	if err != nil {
		return err
	}
	defer stop()
	const length = 3 * time.Second
	saved := make(chan error, 1)
	go func() { saved <- subjects[i].saveProfile(ctx, filepath.Join(l.profile, w.name+".pprof"), length) }()
	if _, err := load.run(ctx, length+time.Second/2, 0); err != nil {
		return err
	}
	return <-saved
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// median sets the fields to the medians of the rounds, each by itself.
func (c *cost) median() {
	middle := func(field func(cost) float64) float64 {
		var all []float64
		for _, r := range c.rounds {
			all = append(all, field(r))
		}
		slices.Sort(all)
		return (all[(len(all)-1)/2] + all[len(all)/2]) / 2
	}
	c.CPU, c.Rate = middle(func(r cost) float64 { return r.CPU }), middle(func(r cost) float64 { return r.Rate })
	c.P50, c.P99 = middle(func(r cost) float64 { return r.P50 }), middle(func(r cost) float64 { return r.P99 })
}

// printRequests prints the table, the ratios and the bars.
func printRequests(out io.Writer, rows []row) {
	t := tabwriter.NewWriter(out, 0, 8, 2, ' ', tabwriter.AlignRight)
	say(t, "\nrequest\tconns\tserver\tCPU µs\treq/s\tp50 ms\tp99 ms\tfloor ×\tbar\t\t\n")
	for _, r := range rows {
		for _, name := range []string{"holdfast", "floor", "moto"} {
			c := r.Servers[name]
			if c == nil {
				continue
			}
			say(t, "%s\t%d\t%s\t%.1f\t%.0f\t%.2f\t%.2f\t%s\t\n", r.Title, connsOf(name, r.Conns), name, c.CPU, c.Rate, c.P50, c.P99, verdict(&r, name))
		}
	}
	_ = t.Flush() // see say
	for _, r := range rows {
		h, m := r.Servers["holdfast"], r.Servers["moto"]
		if h == nil || m == nil {
			continue
		}
		say(out, "%s: %.0f × moto's requests per second", r.Title, h.Rate/m.Rate)
		if r.Workload == "encrypt" {
			say(out, " (bar %d: %s)", motoBar, pass(h.Rate/m.Rate >= motoBar))
		}
		say(out, "\n")
	}
}

func connsOf(name string, conns int) int {
	if name == "moto" {
		return motoConns
	}
	return conns
}

// verdict returns the ratio to the floor, the bar, and whether it is held.
func verdict(r *row, name string) string {
	f, c := r.Servers["floor"], r.Servers[name]
	if f == nil || name == "floor" {
		return "\t\t"
	}
	ratio := c.CPU / f.CPU
	if name != "holdfast" || r.Bar == 0 {
		return fmt.Sprintf("%.2f\t\t", ratio)
	}
	return fmt.Sprintf("%.2f\t%.2f\t%s", ratio, r.Bar, pass(ratio <= r.Bar))
}

func pass(ok bool) string {
	if ok {
		return "PASS"
	}
	return "MISS"
}
