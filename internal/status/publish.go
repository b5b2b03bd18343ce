package status

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/holdfast-kms/holdfast/internal/ca"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/store"
)

// listType is the media type of a list (RFC 2585 section 4.2).
const listType = "application/pkix-crl"

// unpublished returns what is to be put into the authority's bucket: every
// list that this process has not put there yet, under the name that it has by
// now.
func (s *Service) unpublished(a *ca.Authority, now time.Time) []func(context.Context) error {
	if s.Sink == nil || a.Revocation.CRL.Bucket == "" {
		return nil
	}
	var list []func(context.Context) error
	for _, of := range s.scopes(a) {
		slot := s.slot(of)
		l := slot.current.Load()
		if l == nil || l.lost || slot.putFailure.Load().recent(now) != nil {
			continue
		}
		to := placed{bucket: a.Revocation.CRL.Bucket, name: a.BucketFile(l.Shard, l.Delta), number: l.Number}
		if have := slot.put.Load(); have == nil || *have != to {
			list = append(list, func(ctx context.Context) error { return s.publish(ctx, slot, l, to) })
		}
	}
	return list
}

// publish puts a list into a bucket.
func (s *Service) publish(ctx context.Context, slot *slot, l *List, to placed) error {
	content, err := l.Open()
	if err != nil {
		return err
	}
	defer content.Close() //nolint:errcheck // it is read only
	if err := s.Sink.Put(ctx, to.bucket, to.name, listType, content); err != nil {
		slot.putFailure.Store(&failure{s.Now(), err})
		return fmt.Errorf("putting %s into the bucket %s: %w", to.name, to.bucket, err)
	}
	slot.putFailure.Store(nil)
	slot.put.Store(&to)
	return nil
}

// bury removes what is left of authorities that were destroyed: the keys of
// their responders, their lists and the rows of both.
func (s *Service) bury(ctx context.Context) error {
	gone := map[string]bool{}
	for _, id := range s.signers.ids() {
		gone[id] = true
	}
	s.mu.Lock()
	for of := range s.slots {
		gone[of.authority] = true
	}
	s.mu.Unlock()
	var failures []error
	for id := range gone {
		if _, ok := s.Authorities.ByID(id); !ok {
			failures = append(failures, s.buryOne(ctx, id))
		}
	}
	return errors.Join(failures...)
}

func (s *Service) buryOne(ctx context.Context, id string) error {
	if left := s.signers.get(id); left != nil {
		call := s.Authorities.OwnCall(&ca.Authority{ID: id, Realm: left.realm, Region: left.region}, "EndOCSPSigner")
		if err := s.Keys.EndEntrusted(ctx, call, grantee(id), left.key); err != nil && fault.KindOf(err) != fault.NotFound {
			return fmt.Errorf("ending the OCSP signer of the destroyed authority %s: %w", id, err)
		}
	}
	if err := s.Store.Update(ctx, func(tx store.Tx) error { return deleteRows(tx, id) }); err != nil {
		return err
	}
	s.signers.drop(id)
	s.mu.Lock()
	slots := maps.Clone(s.slots)
	maps.DeleteFunc(s.slots, func(of scope, _ *slot) bool { return of.authority == id })
	delete(s.changes, id)
	s.mu.Unlock()
	for of, slot := range slots {
		if l := slot.current.Load(); of.authority == id && l != nil {
			s.folder.remove(l.file())
			if slot.previous != "" {
				s.folder.remove(slot.previous)
			}
		}
	}
	return nil
}

// deleteRows deletes what is stored beside an authority.
func deleteRows(tx store.Tx, id string) error {
	var rows []string
	for row, err := range tx.Scan(store.Authorities, store.Query{From: id + "/", To: id + "0"}) {
		if err != nil {
			return err
		}
		rows = append(rows, row.ID)
	}
	for _, row := range rows {
		if err := tx.Delete(store.Authorities, row); err != nil {
			return err
		}
	}
	return nil
}
