// Package token remembers requests that must not be done twice. A caller who
// did not get an answer asks again with the same idempotency token, and gets
// what the first request made.
//
// Start with Book.Enter, before the work; Ticket.Put writes the token in the
// transaction of the work itself, so that neither is there without the other.
package token

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/store"
)

// recordVersion is the version of record. A reader refuses others.
const recordVersion = 1

// record is the body of a row of store.Tokens, whose id is "realm/operation/
// hash" with the SHA-256 of the rest of Request's identity in hex, and whose
// column is the time when it may be forgotten.
type record struct {
	V       int    `json:"v"`
	Request string `json:"request"` // SHA-256 of what was asked for, in hex
	Result  string `json:"result"`
}

// Request is a request with a token.
type Request struct {
	// Who asks, and Operation and Scope (what is acted on, "" for the realm at
	// large), make tokens independent of one another.
	Who       key.Principal
	Operation string
	Scope     string
	// Token is the caller's; without one a request is done as often as it is
	// asked for.
	Token string
	// Life is how long the token is remembered.
	Life time.Duration
	// Of is what is asked for. It is compared by its JSON.
	Of any
}

// Book remembers tokens in a store. All methods may be called at the same
// time.
type Book struct {
	store store.Store
	now   func() time.Time

	mu   sync.Mutex // guards what follows
	busy map[string]*turn
}

// turn is the lock of one token, with how many hold it or wait for it.
type turn struct {
	mu    sync.Mutex // held by who does the token's request
	users int
}

// New returns the book that is kept in the store. now is the clock.
func New(s store.Store, now func() time.Time) *Book {
	return &Book{store: s, now: now, busy: map[string]*turn{}}
}

// Ticket is the turn of one request. It belongs to one goroutine, which has
// to call Leave at the end.
type Ticket struct {
	book    *Book
	id      string // "" for a request without a token
	digest  string
	expires time.Time
	result  string
	done    bool
	turn    *turn
}

// Enter waits for the token's turn and finds out whether its request was done
// already. A token that was used for another request is a Conflict error.
func (b *Book) Enter(ctx context.Context, r Request) (*Ticket, error) {
	if r.Token == "" {
		return &Ticket{}, nil
	}
	of, err := json.Marshal(r.Of)
	if err != nil {
		return nil, fmt.Errorf("reading a request with a token: %w", err)
	}
	t := &Ticket{
		book: b, digest: digest(string(of)), expires: b.now().UTC().Add(r.Life),
		id: string(r.Who.Realm) + "/" + r.Operation + "/" + digest(r.Who.String(), r.Scope, r.Token),
	}
	b.take(t)
	err = b.store.View(ctx, func(reader store.Reader) error { return t.look(reader) })
	if err != nil {
		t.Leave()
		return nil, err
	}
	return t, nil
}

// digest returns the SHA-256 of texts, each with its length, in hex.
func digest(texts ...string) string {
	h := sha256.New()
	for _, s := range texts {
		h.Write([]byte(strconv.Itoa(len(s)) + ":" + s))
	}
	return hex.EncodeToString(h.Sum(nil))
}

// take waits for the token's turn.
func (b *Book) take(t *Ticket) {
	b.mu.Lock()
	t.turn = b.busy[t.id]
	if t.turn == nil {
		t.turn = &turn{}
		b.busy[t.id] = t.turn
	}
	t.turn.users++
	b.mu.Unlock()
	t.turn.mu.Lock()
}

// look reads what is known of the token.
func (t *Ticket) look(r store.Reader) error {
	row, err := r.Get(store.Tokens, t.id)
	if err != nil {
		if fault.KindOf(err) == fault.NotFound {
			return nil
		}
		return err
	}
	if row.Columns[0] < t.book.now().UTC().Format(store.TimeFormat) {
		return nil // nobody has cleaned up yet
	}
	var rec record
	if err := json.Unmarshal(row.Body, &rec); err != nil {
		return fmt.Errorf("record %s: %w", row.ID, err)
	}
	switch {
	case rec.V != recordVersion:
		return fmt.Errorf("record %s has version %d; this program knows version %d", row.ID, rec.V, recordVersion)
	case rec.Request != t.digest:
		return fault.New(fault.Conflict, "the idempotency token was used for another request")
	}
	t.result, t.done = rec.Result, true
	return nil
}

// Result returns what the first request with the token made, as Put was told.
func (t *Ticket) Result() (string, bool) { return t.result, t.done }

// Put notes in the transaction of the work what the request made. Another
// server that was faster with the same token is a Conflict error.
func (t *Ticket) Put(tx store.Tx, result string) error {
	if t.id == "" {
		return nil
	}
	if err := t.look(tx); err != nil {
		return err
	}
	if t.done {
		return fault.New(fault.Conflict, "the request is being done already")
	}
	body, err := json.Marshal(record{V: recordVersion, Request: t.digest, Result: result})
	if err != nil {
		return fmt.Errorf("encoding a token: %w", err)
	}
	return tx.Put(store.Tokens, store.Row{ID: t.id, Columns: []string{t.expires.Format(store.TimeFormat)}, Body: body})
}

// Leave lets the next request with the token go on.
func (t *Ticket) Leave() {
	if t.turn == nil {
		return
	}
	t.turn.mu.Unlock()
	t.book.mu.Lock()
	defer t.book.mu.Unlock()
	if t.turn.users--; t.turn.users == 0 {
		delete(t.book.busy, t.id)
	}
	t.turn = nil
}

// forgetBatch is how many tokens one Tick forgets at most, so that a tick is
// short.
const forgetBatch = 1000

// Tick forgets tokens whose time is over; more says that there are more.
func (b *Book) Tick(ctx context.Context) (more bool, err error) {
	var over []string
	err = b.store.View(ctx, func(r store.Reader) error {
		now := b.now().UTC().Format(store.TimeFormat)
		for row, err := range r.Scan(store.Tokens, store.Query{Column: "expires", To: now, Limit: forgetBatch}) {
			if err != nil {
				return err
			}
			over = append(over, row.ID)
		}
		return nil
	})
	if err != nil || len(over) == 0 {
		return false, err
	}
	err = b.store.Update(ctx, func(tx store.Tx) error {
		now := b.now().UTC().Format(store.TimeFormat)
		for _, id := range over {
			row, err := tx.Get(store.Tokens, id)
			switch {
			case err != nil && fault.KindOf(err) == fault.NotFound, err == nil && row.Columns[0] >= now:
				continue // somebody else forgot it, or it was used anew
			case err != nil:
				return err
			}
			if err := tx.Delete(store.Tokens, id); err != nil {
				return err
			}
		}
		return nil
	})
	return len(over) == forgetBatch, err
}
