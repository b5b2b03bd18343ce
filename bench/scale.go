package main

import (
	"context"
	"encoding/json"
	"io"
	"path/filepath"
	"slices"
	"sync/atomic"
	"time"
)

// The bars of a start and of many keys.
const (
	readyBar     = 300 * time.Millisecond
	residentBar  = 50 << 20 // bytes
	manyReadyBar = 5 * time.Second
	starts       = 7
	// noise is how much slower a lookup among many keys may look: the two are
	// measured on two servers, minutes apart.
	noise       = 1.15
	loaderConns = 64
	lookups     = 5000
)

// startCost is what a start costs.
type startCost struct {
	First    float64 `json:"first_ms"` // on an empty directory, keys to be made
	Ready    float64 `json:"ready_ms"` // median of later ones
	Resident float64 `json:"idle_rss_mb"`
}

// start measures starts of a server on its own, not pinned: that is how it is
// started.
func (l *lab) start(ctx context.Context) (*startCost, error) {
	dir := filepath.Join(l.work, "start")
	var all []time.Duration
	c := &startCost{}
	for i := range starts + 1 {
		s, err := l.startHoldfast(ctx, dir, false)
		if err != nil {
			return nil, err
		}
		if i == 0 {
			c.First = milliseconds(s.ready)
		} else {
			all = append(all, s.ready)
		}
		if i == starts {
			if err := s.calm(ctx); err != nil {
				return nil, err
			}
			rss, err := s.resident()
			if err != nil {
				return nil, err
			}
			c.Resident = float64(rss) / (1 << 20)
		}
		if err := s.stop(); err != nil {
			return nil, err
		}
	}
	slices.Sort(all)
	c.Ready = milliseconds(all[len(all)/2])
	return c, nil
}

func (c *startCost) print(out io.Writer) {
	say(out, "\nstart to ready: %.0f ms (bar %d: %s); the first, on an empty directory: %.0f ms\n",
		c.Ready, readyBar.Milliseconds(), pass(c.Ready < milliseconds(readyBar)), c.First)
	say(out, "idle resident memory: %.1f MB (bar %d: %s)\n", c.Resident, residentBar>>20, pass(c.Resident < residentBar>>20))
}

// keysCost compares a store of few keys with one of many.
type keysCost struct {
	Keys     int     `json:"keys"`
	Load     float64 `json:"create_per_s"`
	Ready    float64 `json:"ready_ms"`
	Resident float64 `json:"rss_mb"`
	Few      float64 `json:"describe_by_alias_p50_us_ten_keys"`
	Many     float64 `json:"describe_by_alias_p50_us"`
}

// manyKeys fills a store through the API, starts on it, and looks keys up by
// their aliases; then the same with ten keys.
func (l *lab) manyKeys(ctx context.Context) (*keysCost, error) {
	c := &keysCost{Keys: l.keys}
	few, many := filepath.Join(l.work, "few"), filepath.Join(l.work, "many")
	if _, err := l.fill(ctx, few, 10); err != nil {
		return nil, err
	}
	rate, err := l.fill(ctx, many, l.keys)
	if err != nil {
		return nil, err
	}
	c.Load = rate
	a, err := l.startHoldfast(ctx, few, true)
	if err != nil {
		return nil, err
	}
	b, err := l.startHoldfast(ctx, many, true)
	if err != nil {
		return nil, err
	}
	c.Ready = milliseconds(b.ready)
	for _, s := range []*server{a, b} {
		if err := s.calm(ctx); err != nil {
			return nil, err
		}
	}
	var fews, manys []time.Duration
	for range l.rounds {
		for s, all := range map[*server]*[]time.Duration{a: &fews, b: &manys} {
			p50, err := s.lookup(ctx)
			if err != nil {
				return nil, err
			}
			*all = append(*all, p50)
		}
	}
	rss, err := b.resident()
	if err != nil {
		return nil, err
	}
	slices.Sort(fews)
	slices.Sort(manys)
	c.Resident, c.Few, c.Many = float64(rss)/(1<<20), microseconds(fews[len(fews)/2]), microseconds(manys[len(manys)/2])
	for _, s := range []*server{a, b} {
		if err := s.stop(); err != nil {
			return nil, err
		}
	}
	return c, nil
}

func microseconds(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1000 }

func (c *keysCost) print(out io.Writer) {
	say(out, "\n%d keys (made at %.0f a second), start to ready: %.0f ms (bar %d: %s), resident %.0f MB\n",
		c.Keys, c.Load, c.Ready, manyReadyBar.Milliseconds(), pass(c.Ready < milliseconds(manyReadyBar)), c.Resident)
	say(out, "DescribeKey by alias, p50: %.0f µs among ten keys, %.0f µs among %d (no slower, within %.0f %%: %s)\n",
		c.Few, c.Many, c.Keys, 100*(noise-1), pass(c.Many <= noise*c.Few))
}

// probe is the alias that lookups ask for.
const probe = "alias/probe"

// fill makes n keys through the API, one of which has the alias of lookups,
// and returns how many it made a second. The server is stopped at the end.
func (l *lab) fill(ctx context.Context, dir string, n int) (float64, error) {
	s, err := l.startHoldfast(ctx, dir, true)
	if err != nil {
		return 0, err
	}
	id, err := s.createKey(ctx, "SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT")
	if err != nil {
		return 0, err
	}
	if err := s.call(ctx, "CreateAlias", map[string]any{"AliasName": probe, "TargetKeyId": id}, nil); err != nil {
		return 0, err
	}
	conns := min(loaderConns, n)
	sub := &subject{server: s}
	create := &workload{target: "CreateKey", mark: "KeyMetadata", body: func(*subject) map[string]any { return map[string]any{} }}
	load, stop, err := sub.load(ctx, create, conns)
	if err != nil {
		return 0, err
	}
	defer stop()
	out, err := load.run(ctx, 0, (n-1+conns-1)/conns)
	if err != nil {
		return 0, err
	}
	return out.rate(), s.stop()
}

// lookup returns the median time of DescribeKey by alias, one at a time.
func (s *server) lookup(ctx context.Context) (time.Duration, error) {
	body, err := json.Marshal(map[string]string{"KeyId": probe})
	if err != nil {
		return 0, err
	}
	request, err := s.awsRequest(ctx, "DescribeKey", body)
	if err != nil {
		return 0, err
	}
	var stopped atomic.Bool
	l := &load{addr: s.addr, conns: 1, request: func(int) []byte { return request }, mark: []byte("KeyMetadata")}
	latencies, err := l.connection(ctx, 0, &stopped, lookups)
	if err != nil {
		return 0, err
	}
	return (&outcome{latencies: latencies}).quantile(0.5), nil
}
