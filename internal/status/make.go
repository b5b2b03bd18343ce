package status

import (
	"context"
	"encoding/hex"
	"fmt"
	"iter"
	"math/big"
	"time"

	"github.com/holdfast-kms/holdfast/internal/ca"
	"github.com/holdfast-kms/holdfast/internal/cert"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/guard"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/store"
)

// makingTimeout bounds the making of a list.
const makingTimeout = 5 * time.Minute

// renew makes the scope's next list if it is still due when its turn comes. It
// goes on when whoever asked has gone: the list is for everybody, and
// strangers who hang up early must not be able to keep a revocation off it.
func (s *Service) renew(ctx context.Context, of scope) (*List, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), makingTimeout)
	defer cancel()
	a, err := s.published(of.authority)
	if err != nil {
		return nil, err
	}
	if of.delta && s.base(of) == nil {
		if _, err := s.renew(ctx, scope{of.authority, of.shard, false}); err != nil {
			return nil, err
		}
	}
	slot := s.slot(of)
	slot.making.Lock()
	defer slot.making.Unlock()
	now := s.Now()
	if !slot.due(s.lastChange(of), s.base(of), now) {
		return slot.current.Load(), nil // made while this call waited
	}
	if err := slot.failed(now); err != nil {
		return nil, err
	}
	l, err := own(ctx, s, a, "MakeCRL", func(call *key.Call, v *guard.Visit) (*List, error) {
		return s.make(ctx, call, v, a, of)
	})
	if err != nil {
		slot.failure.Store(&failure{now, err})
		warn(ctx, "CRL not made: the old one serves until its time is over", a.ID, err)
		return nil, err
	}
	slot.failure.Store(nil)
	slot.replace(l)
	return l, nil
}

// replace makes a list the current one. The file of the one before stays until
// the next list, for those who are about to open it. s.making is held.
func (s *slot) replace(l *List) {
	old := s.current.Swap(l)
	if s.previous != "" {
		l.folder.remove(s.previous)
	}
	if old != nil {
		s.previous = old.file()
	}
}

// make signs, keeps, records and stores the scope's next list. The slot's
// making is held.
func (s *Service) make(ctx context.Context, call *key.Call, v *guard.Visit, a *ca.Authority, of scope) (*List, error) {
	start := time.Now()
	p := s.plan(a, of)
	v.Note("crl number", fmt.Sprint(p.list.Number))
	if of.shard != "" {
		v.Note("shard", of.shard)
	}
	if of.delta {
		v.Note("delta of", fmt.Sprint(p.list.Base))
	}
	if err := s.write(ctx, call, a, p); err != nil {
		return nil, err
	}
	l := p.list
	v.NoteInt("crl entries", l.Entries)
	l.cost, l.made = time.Since(start), s.Now()
	row, err := l.row()
	if err != nil {
		return nil, err
	}
	err = v.Commit(ctx, func() error {
		return s.Store.Update(ctx, func(tx store.Tx) error {
			if err := tx.Put(store.Authorities, row); err != nil {
				return err
			}
			if err := tx.Delete(store.Authorities, a.ID+earlierSuffix); err != nil && fault.KindOf(err) != fault.NotFound {
				return err
			}
			return p.tidy(tx)
		})
	})
	return l, err
}

// plan is a list on its way.
type plan struct {
	list *List
	head cert.List
	// last is the list before, base the complete one that a delta continues.
	last, base *List
	// settled says which changes, and which expiries, every list of the
	// authority has shown: what they are about may be forgotten.
	settledChange, settledExpiry time.Time
	done                         []store.Row // revocations to forget
}

// plan decides on everything but the entries.
func (s *Service) plan(a *ca.Authority, of scope) *plan {
	complete, delta := scope{of.authority, of.shard, false}, scope{of.authority, of.shard, true}
	c := &a.Revocation.CRL
	p := &plan{last: s.slot(of).current.Load(), base: s.base(of)}
	l := &List{Authority: of.authority, Shard: of.shard, Delta: of.delta, folder: s.folder, Number: 1, ThisUpdate: s.Now().UTC().Truncate(time.Second)}
	for _, scope := range []scope{complete, delta} {
		if old := s.slot(scope).current.Load(); old != nil {
			l.Number = max(l.Number, old.Number+1)
		}
	}
	if p.last != nil {
		l.seen = p.last.seen
		if l.ThisUpdate.Before(p.last.ThisUpdate) { // the clock went back
			l.ThisUpdate = p.last.ThisUpdate
		}
	}
	validity := DefaultValidity
	if c.ValidityDays > 0 {
		validity = time.Duration(c.ValidityDays) * day
	}
	p.list = l
	p.head = cert.List{Number: new(big.Int).SetUint64(l.Number), ThisUpdate: l.ThisUpdate}
	if of.delta {
		validity = min(validity, DeltaValidity)
		l.Base, l.seen = p.base.Number, p.base.seen
		p.head.Base = new(big.Int).SetUint64(l.Base)
	} else if urls := s.Authorities.ListURLs(a, of.shard, true); c.Delta && len(urls) > 0 {
		p.head.Freshest = urls
	}
	l.NextUpdate = l.ThisUpdate.Add(validity)
	p.head.NextUpdate = l.NextUpdate
	if urls := s.Authorities.ListURLs(a, of.shard, false); of.shard != "" && len(urls) > 0 {
		p.head.Scope = &cert.Scope{URLs: urls}
	}
	if of == (scope{authority: a.ID}) {
		p.settledChange, p.settledExpiry = s.settled(a)
	}
	return p
}

// settled returns up to which change, and up to which expiry, all complete
// lists of the authority have shown everything; zero while one is missing.
func (s *Service) settled(a *ca.Authority) (change, expiry time.Time) {
	first := true
	for _, of := range s.scopes(a) {
		if of.delta {
			continue
		}
		l := s.slot(of).current.Load()
		if l == nil {
			return time.Time{}, time.Time{}
		}
		if first || l.seen.Before(change) {
			change = l.seen
		}
		if first || l.ThisUpdate.Before(expiry) {
			expiry = l.ThisUpdate
		}
		first = false
	}
	return change, expiry
}

// write writes the list to a spool, has it linted and signed, and keeps it in
// the folder. The entries are never in memory all at once.
func (s *Service) write(ctx context.Context, call *key.Call, a *ca.Authority, p *plan) error {
	spool, discard, err := s.folder.spool()
	if err != nil {
		return notKept(err)
	}
	defer discard()
	var draft *cert.Draft
	err = s.Store.View(ctx, func(r store.Reader) error {
		draft, err = cert.WriteList(spool, &p.head, a.X509(), a.Public(), a.Algorithm, p.entries(ctx, r))
		return err
	})
	if err != nil {
		return err
	}
	token, err := s.lints.Written(draft)
	if err != nil {
		return err
	}
	if _, err := s.Authorities.Sign(ctx, call, a.ID, token); err != nil {
		return err
	}
	p.list.Entries = draft.Entries()
	_, p.list.Size = draft.Extent()
	if err := s.folder.keep(p.list.file(), draft.Reader()); err != nil {
		return notKept(err)
	}
	return nil
}

func notKept(err error) error {
	return &fault.Error{Kind: fault.Unavailable, Op: "status.MakeCRL", Public: "the revocation list cannot be written", Err: err}
}

// query returns the revocations that may be entries.
func (p *plan) query() store.Query {
	l := p.list
	switch {
	case l.Delta:
		return store.Query{Column: "changed", From: ca.ChangedColumn(l.Authority, p.base.seen.Add(1)), To: l.Authority + "0"}
	case l.Shard != "":
		return store.Query{From: l.Authority + "/" + l.Shard + "/", To: l.Authority + "/" + l.Shard + "0"}
	}
	return store.Query{From: l.Authority + "/", To: l.Authority + "0"} // "0" follows "/"
}

// entries reads the entries of the list from the store.
func (p *plan) entries(ctx context.Context, r store.Reader) iter.Seq2[cert.Entry, error] {
	return func(yield func(cert.Entry, error) bool) {
		n := 0
		for row, err := range r.Scan(store.Revocations, p.query()) {
			if n++; err == nil && n%1000 == 0 {
				err = ctx.Err()
			}
			var e cert.Entry
			taken := true
			if err == nil {
				e, taken, err = p.entry(row)
			}
			if taken && !yield(e, err) || err != nil {
				return
			}
		}
	}
}

// entry reads a row, and says whether it is on the list.
func (p *plan) entry(row store.Row) (cert.Entry, bool, error) {
	c, err := ca.ReadRevocation(row)
	if err != nil {
		return cert.Entry{}, true, err
	}
	serial, err := hex.DecodeString(c.Serial)
	return cert.Entry{Serial: serial, RevokedAt: c.At, Reason: int(c.Reason)}, err != nil || p.take(row, c), err
}

// maxForgotten is how many revocations are forgotten with one list.
const maxForgotten = 1000

// take reports whether a revocation is on the list, and notes what to forget.
// An expired certificate leaves the lists after one more (RFC 5280 section
// 3.3): what had expired before the last list, and was on it, is on no other.
func (p *plan) take(row store.Row, c *ca.Revocation) bool {
	l := p.list
	if l.Delta && l.Shard != "" && c.Shard != l.Shard {
		return false
	}
	if c.Changed.After(l.seen) {
		l.seen = c.Changed
	}
	released := c.Reason == ca.RemoveFromCRL
	if !c.Changed.After(p.settledChange) && (released || c.Expires.Before(p.settledExpiry)) && len(p.done) < maxForgotten {
		p.done = append(p.done, row)
	}
	if l.Delta {
		return true
	}
	gone := p.last != nil && c.Expires.Before(p.last.ThisUpdate) && !c.Changed.After(p.last.seen)
	return !released && !gone
}

// tidy forgets what is settled, unless it changed meanwhile.
func (p *plan) tidy(tx store.Tx) error {
	for _, row := range p.done {
		now, err := tx.Get(store.Revocations, row.ID)
		if err != nil && fault.KindOf(err) == fault.NotFound {
			continue
		}
		if err != nil {
			return err
		}
		if now.Columns[0] != row.Columns[0] {
			continue
		}
		if err := tx.Delete(store.Revocations, row.ID); err != nil {
			return err
		}
	}
	return nil
}
