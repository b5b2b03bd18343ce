package ca

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"time"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/guard"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/store"
)

// Times of CRLs.
const (
	// CRLValidity is the time between a CRL and its nextUpdate.
	CRLValidity = 7 * day
	// crlRenewal is when the clock makes the next one: half the time is left
	// for whoever has to repair what keeps it from being made.
	crlRenewal = CRLValidity / 2
	// crlRetry is how long a failed attempt is not repeated: anybody may ask
	// for a CRL, and asking must not make work without end.
	crlRetry = time.Minute
)

// CRL is an authority's complete list of revoked certificates (RFC 5280
// section 5). It is never changed once handed out.
type CRL struct {
	DER                    []byte
	Number                 uint64 // grows by one with each CRL of the authority
	ThisUpdate, NextUpdate time.Time
	// seen is the count of the authority's revocations that it includes.
	seen uint64
}

// stale reports whether the authority's next CRL is to be made: halfway
// through the current one's time, or at once after a revocation.
func (a *authority) stale(now time.Time) bool {
	return a.crl == nil || a.crl.seen != a.revocations || !now.Before(a.due)
}

// CRL returns an authority's current CRL to a caller who may GetCRL.
func (s *Service) CRL(ctx context.Context, call *key.Call, authority string) (*CRL, error) {
	return guard.Do(ctx, s.guard, call, key.GetCRL, func(v *guard.Visit) (*CRL, error) {
		a, err := s.visit(call, v, key.GetCRL, authority)
		if err != nil {
			return nil, err
		}
		return s.current(ctx, a.ID)
	})
}

// PublicCRL returns the current CRL of the authority with the id, to
// everybody. No caller, no decision and no record: a CRL is for publication.
func (s *Service) PublicCRL(ctx context.Context, id string) (*CRL, error) {
	return s.current(ctx, id)
}

// PublicCertificate returns the certificate in DER of the authority with the
// id, to everybody.
func (s *Service) PublicCertificate(_ context.Context, id string) ([]byte, error) {
	a, ok := s.live.Load().byID[id]
	if !ok || a.cert == nil {
		return nil, noAuthority()
	}
	return a.Certificate, nil
}

// current returns the authority's CRL, a new one when it is due. While a new
// one cannot be made, the old one serves until its nextUpdate.
func (s *Service) current(ctx context.Context, id string) (*CRL, error) {
	a, ok := s.live.Load().byID[id]
	now := s.now()
	if !ok || !a.at(now).Publishes() {
		return nil, noAuthority()
	}
	if !a.stale(now) {
		return a.crl, nil
	}
	crl, err := s.renew(ctx, id, now)
	if err == nil {
		return crl, nil
	}
	if a.crl != nil && now.Before(a.crl.NextUpdate) {
		return a.crl, nil
	}
	return nil, &fault.Error{Kind: fault.Unavailable, Op: "ca.CRL", Public: "the CRL cannot be made at the moment", Err: err}
}

// tickBatch is how many CRLs one Tick makes at most, so that a tick is short.
const tickBatch = 16

// TickLists makes CRLs that are due, at most tickBatch of them; more says that
// there are more. The clock (package lifecycle) calls it every few seconds.
// It returns all failures, joined; what failed is left alone for a minute.
func (s *Service) TickLists(ctx context.Context) (more bool, err error) {
	now, made := s.now(), 0
	var failed []error
	for id, a := range s.live.Load().byID {
		if !a.at(now).Publishes() || !a.stale(now) || s.failed(id, now) != nil {
			continue
		}
		if made++; made > tickBatch {
			return true, errors.Join(failed...)
		}
		if _, err := s.renew(ctx, id, now); err != nil {
			failed = append(failed, fmt.Errorf("CRL of authority %s: %w", id, err))
		}
	}
	return false, errors.Join(failed...)
}

// crlTimeout bounds the making of a CRL.
const crlTimeout = 30 * time.Second

// renew makes the authority's next CRL if it is still due when its turn
// comes. It goes on when whoever asked has gone: the CRL is for everybody, and
// strangers who hang up early must not be able to keep a revocation off it.
func (s *Service) renew(ctx context.Context, id string, now time.Time) (*CRL, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), crlTimeout)
	defer cancel()
	defer s.rebuild.lock(id)()
	a := s.live.Load().byID[id]
	if !a.stale(now) {
		return a.crl, nil // made while this call waited
	}
	if err := s.failed(id, now); err != nil {
		return nil, err
	}
	call := s.OwnCall(&a.Authority, "MakeCRL")
	crl, err := guard.Do(ctx, s.guard, call, key.UpdateAuthority, func(v *guard.Visit) (*CRL, error) {
		return s.makeCRL(ctx, call, v, a)
	})
	if err != nil {
		s.failures.Store(id, failure{now, err})
		slog.WarnContext(ctx, "CRL not made: the old one serves until its time is over",
			slog.String("authority", id), slog.Any("cause", err))
		return nil, err
	}
	s.failures.Delete(id)
	return crl, nil
}

// failure is an attempt at a CRL that failed.
type failure struct {
	at  time.Time
	err error
}

// failed returns how the last attempt at the authority's CRL failed, if that
// is too short ago to try again.
func (s *Service) failed(id string, now time.Time) error {
	if last, ok := s.failures.Load(id); ok {
		if f, ok := last.(failure); ok && now.Sub(f.at).Abs() < crlRetry {
			return f.err
		}
	}
	return nil
}

// makeCRL signs, records, stores and publishes the authority's next CRL. The
// authority may do so by a grant that it has on itself.
func (s *Service) makeCRL(ctx context.Context, call *key.Call, v *guard.Visit, a *authority) (*CRL, error) {
	err := v.Authorize(guard.Target{
		Action: key.UpdateAuthority, Resource: a.Resource(), Grants: []key.Grant{a.OwnGrant()},
	})
	if err != nil {
		return nil, err
	}
	crl := &CRL{Number: a.CRLNumber + 1, ThisUpdate: call.Time.UTC().Truncate(time.Second)}
	entries, err := s.revoked(ctx, a, crl)
	if err != nil {
		return nil, err
	}
	crl.NextUpdate = crl.ThisUpdate.Add(CRLValidity)
	v.NoteInt("crl entries", len(entries))
	v.Note("crl number", fmt.Sprint(crl.Number))
	token, err := s.lints.List(&x509.RevocationList{
		Number: new(big.Int).SetUint64(crl.Number), ThisUpdate: crl.ThisUpdate, NextUpdate: crl.NextUpdate,
		RevokedCertificateEntries: entries,
	}, a.cert, a.public, a.Algorithm)
	if err != nil {
		return nil, err
	}
	if crl.DER, err = s.sign(ctx, call, a, token); err != nil {
		return nil, err
	}
	return crl, s.storeCRL(ctx, v, a.ID, crl)
}

// revoked returns the entries of the authority's next CRL, and notes in it
// how many revocations that includes. An expired certificate leaves the list
// after one more CRL (RFC 5280 section 3.3): what had expired before the last
// CRL, and was revoked before it, was on it.
func (s *Service) revoked(ctx context.Context, a *authority, crl *CRL) ([]x509.RevocationListEntry, error) {
	var last time.Time
	if a.crl != nil {
		last = a.crl.ThisUpdate
	}
	var entries []x509.RevocationListEntry
	err := s.store.View(ctx, func(r store.Reader) error {
		row, err := r.Get(store.Authorities, a.ID)
		if err != nil {
			return err
		}
		now, err := readAuthority(row)
		if err != nil {
			return err
		}
		crl.seen = now.revocations
		for row, err := range r.Scan(store.Revocations, store.Query{From: a.ID + "/", To: a.ID + "0"}) {
			if err != nil {
				return err
			}
			c, err := ReadRevocation(row)
			if err != nil {
				return err
			}
			if c.Expires.Before(last) && c.At.Before(last) {
				continue
			}
			if c.At.After(crl.ThisUpdate) { // revoked while this CRL waited for its turn
				crl.ThisUpdate = c.At
			}
			serial, _ := new(big.Int).SetString(c.Serial, 16)
			entries = append(entries, x509.RevocationListEntry{
				SerialNumber: serial, RevocationTime: c.At, ReasonCode: int(c.Reason),
			})
		}
		return nil
	})
	return entries, err
}

// storeCRL records, stores and publishes a CRL. One that was overtaken by a
// revocation is due again at once.
func (s *Service) storeCRL(ctx context.Context, v *guard.Visit, id string, crl *CRL) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	next := *s.live.Load().byID[id]
	next.crl, next.CRLNumber = crl, crl.Number
	if next.revocations == crl.seen {
		next.due = crl.ThisUpdate.Add(crlRenewal)
	}
	row, err := crl.row(id)
	if err != nil {
		return err
	}
	err = v.Commit(ctx, func() error {
		return s.store.Update(ctx, func(tx store.Tx) error {
			if err := tx.Put(store.Authorities, row); err != nil {
				return err
			}
			return putAuthorities(tx, &next)
		})
	})
	if err == nil {
		s.publish(&next)
	}
	return err
}
