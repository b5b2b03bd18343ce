package token_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/store"
	"github.com/holdfast-kms/holdfast/internal/store/mem"
	"github.com/holdfast-kms/holdfast/internal/token"
)

// clock is a time that the test moves.
type clock struct{ at time.Time }

func (c *clock) now() time.Time { return c.at }

var alice = key.Principal{Realm: key.DefaultRealm, Kind: key.User, Name: "alice"}

// request is one by alice that differs in what the test says.
func request(edit func(*token.Request)) token.Request {
	r := token.Request{Who: alice, Operation: "Make", Token: "t", Life: time.Minute, Of: map[string]int{"size": 1}}
	if edit != nil {
		edit(&r)
	}
	return r
}

// once does a request: it returns what it made or what was made before.
func once(t *testing.T, b *token.Book, s store.Store, r token.Request, result string) (string, error) {
	t.Helper()
	ticket, err := b.Enter(t.Context(), r)
	if err != nil {
		return "", err
	}
	defer ticket.Leave()
	if made, done := ticket.Result(); done {
		return made, nil
	}
	return result, s.Update(t.Context(), func(tx store.Tx) error { return ticket.Put(tx, result) })
}

// TestOnce is what a token is: the same request of the same caller gives what
// the first one made, until it is forgotten.
func TestOnce(t *testing.T) {
	for what, c := range map[string]struct {
		edit func(*token.Request)
		wait time.Duration
		want string
		kind fault.Kind
	}{
		"again":                               {nil, 0, "first", 0},
		"just in time":                        {nil, time.Minute, "first", 0},
		"too late":                            {nil, time.Minute + 1, "second", 0},
		"without a token":                     {func(r *token.Request) { r.Token = "" }, 0, "second", 0},
		"another token":                       {func(r *token.Request) { r.Token = "u" }, 0, "second", 0},
		"another operation":                   {func(r *token.Request) { r.Operation = "Break" }, 0, "second", 0},
		"another scope":                       {func(r *token.Request) { r.Scope = "x" }, 0, "second", 0},
		"another caller":                      {func(r *token.Request) { r.Who.Name = "bob" }, 0, "second", 0},
		"another realm":                       {func(r *token.Request) { r.Who.Realm = "999999999999" }, 0, "second", 0},
		"another request":                     {func(r *token.Request) { r.Of = map[string]int{"size": 2} }, 0, "", fault.Conflict},
		"a token with the scope's text in it": {func(r *token.Request) { r.Scope, r.Token = "t", "" }, 0, "second", 0},
	} {
		t.Run(what, func(t *testing.T) {
			s, now := mem.New(), &clock{time.Unix(1e9, 0)}
			b := token.New(s, now.now)
			if _, err := once(t, b, s, request(nil), "first"); err != nil {
				t.Fatal(err)
			}
			now.at = now.at.Add(c.wait)
			b = token.New(s, now.now) // as after a restart
			got, err := once(t, b, s, request(c.edit), "second")
			if got != c.want && err == nil || (err != nil) != (c.kind != 0) || err != nil && fault.KindOf(err) != c.kind {
				t.Errorf("%q, %v, want %q", got, err, c.want)
			}
		})
	}
}

// TestAtOnce: of many at the same time one does the work, and the others wait
// for it; when it fails, the next one does.
func TestAtOnce(t *testing.T) {
	s, now := mem.New(), &clock{time.Unix(1e9, 0)}
	b := token.New(s, now.now)
	var all sync.WaitGroup
	var mu sync.Mutex
	works, results := 0, map[string]int{}
	for i := range 32 {
		all.Go(func() {
			ticket, err := b.Enter(t.Context(), request(nil))
			if err != nil {
				t.Error(err)
				return
			}
			defer ticket.Leave()
			made, done := ticket.Result()
			mu.Lock()
			defer mu.Unlock()
			if !done {
				if works++; works == 1 {
					return // fails
				}
				made = fmt.Sprint(i)
				if err := s.Update(t.Context(), func(tx store.Tx) error { return ticket.Put(tx, made) }); err != nil {
					t.Error(err)
				}
			}
			results[made]++
		})
	}
	all.Wait()
	if works != 2 || len(results) != 1 {
		t.Errorf("%d did the work, with the results %v", works, results)
	}
}

// TestTwoServers share a store: the second one's transaction is refused, and
// with it all that it wrote.
func TestTwoServers(t *testing.T) {
	s, now := mem.New(), &clock{time.Unix(1e9, 0)}
	one, err := token.New(s, now.now).Enter(t.Context(), request(nil))
	if err != nil {
		t.Fatal(err)
	}
	defer one.Leave()
	if _, err := once(t, token.New(s, now.now), s, request(nil), "second"); err != nil {
		t.Fatal(err)
	}
	err = s.Update(t.Context(), func(tx store.Tx) error {
		return errors.Join(tx.Insert(store.Reports, store.Row{ID: "work"}), one.Put(tx, "first"))
	})
	if fault.KindOf(err) != fault.Conflict {
		t.Errorf("%v", err)
	}
	err = s.View(t.Context(), func(r store.Reader) error {
		n, err := r.Count(store.Reports, store.Query{})
		if n != 0 {
			t.Errorf("%d rows of work that was done twice", n)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// TestForget: the clock removes what is over and nothing else.
func TestForget(t *testing.T) {
	s, now := mem.New(), &clock{time.Unix(1e9, 0)}
	b := token.New(s, now.now)
	for i := range 1500 {
		r := request(func(r *token.Request) { r.Token, r.Life = fmt.Sprint(i), time.Duration(1+i%3)*time.Minute })
		if _, err := once(t, b, s, r, "x"); err != nil {
			t.Fatal(err)
		}
	}
	for _, step := range []struct {
		after time.Duration
		more  bool
		left  int
	}{{0, false, 1500}, {2*time.Minute + 1, true, 500}, {0, false, 500}, {time.Minute, false, 0}, {0, false, 0}} {
		now.at = now.at.Add(step.after)
		more, err := b.Tick(t.Context())
		if err != nil || more != step.more {
			t.Errorf("more %v, %v", more, err)
		}
		err = s.View(t.Context(), func(r store.Reader) error {
			n, err := r.Count(store.Tokens, store.Query{})
			if n != step.left {
				t.Errorf("%d tokens are left, want %d", n, step.left)
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
	}
}
