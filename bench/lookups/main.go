// Command lookups measures the inventory's look-ups among few certificates and
// among many: go run ./bench/lookups -count 5000000. With -store it only fills
// the store of an authority that there is, for measuring over the network.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"github.com/google/uuid"

	"github.com/holdfast-kms/holdfast/internal/audit"
	"github.com/holdfast-kms/holdfast/internal/ca"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/guard"
	"github.com/holdfast-kms/holdfast/internal/inventory"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/kms"
	"github.com/holdfast-kms/holdfast/internal/policy"
	"github.com/holdfast-kms/holdfast/internal/store/embedded"
)

func main() {
	if err := run(context.Background(), os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "lookups:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out io.Writer) error {
	f := flag.NewFlagSet("lookups", flag.ContinueOnError)
	few := f.Int("few", 5000, "the small number of certificates")
	count := f.Int("count", 200_000, "the large number")
	rounds := f.Int("rounds", 2000, "how often each look-up is done")
	path := f.String("store", "", "only fill this store, of a server that does not run")
	authority := f.String("authority", "", "the id of the authority whose certificates they are, with -store")
	every := f.Int("every", 50, "which certificates are revoked, with -store: each with a number that it divides")
	dir := f.String("dir", "", "where the stores are made; default: a new temporary directory")
	if err := f.Parse(args); err != nil {
		return err
	}
	if *path != "" {
		return only(ctx, *path, &filling{realm: key.DefaultRealm, authority: *authority, count: *count, now: time.Now(), every: *every})
	}
	if *dir == "" {
		temporary, err := os.MkdirTemp("", "holdfast-lookups-*")
		if err != nil {
			return err
		}
		defer os.RemoveAll(temporary) //nolint:errcheck // a temporary directory
		*dir = temporary
	}
	small, err := measure(ctx, out, filepath.Join(*dir, "few.db"), *few, *rounds)
	if err != nil {
		return err
	}
	large, err := measure(ctx, out, filepath.Join(*dir, "many.db"), *count, *rounds)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintf(out, "\n| look-up | CPU µs, %d | CPU µs, %d | ratio | p50 µs, %d | p50 µs, %d |\n|---|---|---|---|---|---|\n", *few, *count, *few, *count); err != nil {
		return err
	}
	for _, name := range names() {
		a, b := small[name], large[name]
		if _, err := fmt.Fprintf(out, "| %s | %.0f | %.0f | %.2f | %.0f | %.0f |\n", name, a.cpu, b.cpu, b.cpu/a.cpu, a.median, b.median); err != nil {
			return err
		}
	}
	return nil
}

// only fills a store.
func only(ctx context.Context, path string, o *filling) error {
	s, err := embedded.Open(path, embedded.Options{CacheSize: 256 << 20})
	if err != nil {
		return err
	}
	return errors.Join(fill(ctx, s, o), s.Close())
}

// figure is what one look-up takes, in microseconds.
type figure struct{ cpu, median float64 }

// measure fills a store and looks up.
func measure(ctx context.Context, out io.Writer, path string, count, rounds int) (map[string]figure, error) {
	o := &filling{realm: key.DefaultRealm, authority: uuid.NewString(), count: count, now: time.Now().Add(-time.Hour), every: 50}
	// An empty inventory marks the store as one whose certificates all have
	// terms.
	err := with(ctx, path, o, func(*inventory.Service) error { return nil })
	if err != nil {
		return nil, err
	}
	begin := time.Now()
	if err := only(ctx, path, o); err != nil {
		return nil, err
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if _, err := fmt.Fprintf(out, "%d certificates in %v, %d bytes each\n", count, time.Since(begin).Round(time.Millisecond), info.Size()/int64(count)); err != nil {
		return nil, err
	}
	if err := warm(path); err != nil {
		return nil, err
	}
	figures := map[string]figure{}
	err = with(ctx, path, o, func(s *inventory.Service) error {
		for _, name := range names() {
			figures[name], err = lookUp(ctx, s, o, name, rounds)
			if err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
		}
		return nil
	})
	return figures, err
}

// warm reads the whole file, so that the look-ups find it in the system's
// cache as those of a server that has run for a while do: what is measured is
// the index, not the disk.
func warm(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, f)
	return errors.Join(err, f.Close())
}

// names are the look-ups, in the order of the report.
func names() []string {
	return []string{"serial", "name", "key", "domain, first 10", "requester, first 10", "profile, first 10", "expiry, first 10", "revoked, first 10"}
}

// query returns the query of a look-up for a random certificate.
func query(o *filling, name string) inventory.Query {
	n := rand.IntN(o.count) //nolint:gosec // no secret
	switch name {
	case "serial":
		return inventory.Query{Authority: o.authority, Serial: o.serial(n)}
	case "name":
		return inventory.Query{Name: hostName(n)}
	case "key":
		hash, err := o.keyHash(n)
		if err != nil {
			panic(err) // our own bug
		}
		return inventory.Query{Key: hash}
	case "domain, first 10":
		return inventory.Query{Name: ".example.com"}
	case "requester, first 10":
		return inventory.Query{Requester: requester(n)}
	case "profile, first 10":
		return inventory.Query{Profile: "tls-client"}
	case "expiry, first 10":
		return inventory.Query{ExpiresAfter: o.now.Add(rand.N(60 * 24 * time.Hour))} //nolint:gosec // no secret
	default:
		return inventory.Query{State: inventory.Revoked}
	}
}

// lookUp does one look-up many times.
func lookUp(ctx context.Context, s *inventory.Service, o *filling, name string, rounds int) (figure, error) {
	took := make([]time.Duration, rounds)
	queries := make([]inventory.Query, rounds)
	for i := range queries {
		queries[i] = query(o, name)
	}
	before := cpu()
	for i, q := range queries {
		begin := time.Now()
		list, _, err := s.Search(ctx, call(), q, kms.Page{Limit: 10})
		took[i] = time.Since(begin)
		if err != nil {
			return figure{}, err
		}
		if len(list) == 0 {
			return figure{}, fault.New(fault.NotFound, "%+v finds nothing", q)
		}
	}
	used := cpu() - before
	slices.Sort(took)
	return figure{float64(used.Nanoseconds()) / 1000 / float64(rounds), float64(took[rounds/2].Nanoseconds()) / 1000}, nil
}

func cpu() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err) // cannot happen
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// with opens an inventory on a store.
func with(ctx context.Context, path string, o *filling, use func(*inventory.Service) error) error {
	s, err := embedded.Open(path, embedded.Options{})
	if err != nil {
		return err
	}
	i, err := inventory.New(ctx, inventory.Config{Authorities: &house{o}, Guard: guard.New(audit.NewMemory(1), nobody{}), Store: s})
	if err != nil {
		return errors.Join(err, s.Close())
	}
	if err = ready(ctx, i); err == nil {
		err = use(i)
	}
	return errors.Join(err, i.Close(), s.Close())
}

// ready waits until the index is ready.
func ready(ctx context.Context, i *inventory.Service) error {
	for !i.Ready() {
		if err := ctx.Err(); err != nil {
			return err
		}
		time.Sleep(10 * time.Millisecond)
	}
	return nil
}

// call is one by the realm's root, which may do everything.
func call() *key.Call {
	return &key.Call{Caller: key.Caller{Principal: key.Principal{Realm: key.DefaultRealm, Kind: key.Root}}, RequestID: "r", Region: "us-east-1"}
}

type nobody struct{}

func (nobody) Policies(*key.Caller) []*policy.Policy { return nil }

// house is the one authority.
type house struct{ o *filling }

func (h *house) All() []*ca.Authority {
	return []*ca.Authority{{ID: h.o.authority, Name: "measuring", Realm: h.o.realm, Region: "us-east-1", State: ca.Active}}
}

func (h *house) Find(*key.Call, string) (*ca.Authority, error) { return h.All()[0], nil }

func (h *house) OnIssued(func(*ca.Certificate)) {}
