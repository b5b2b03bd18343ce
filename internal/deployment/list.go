package deployment

import (
	"context"

	"github.com/holdfast-kms/holdfast/internal/guard"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/kms"
	"github.com/holdfast-kms/holdfast/internal/store"
)

// Filter chooses deployments. An empty field asks for nothing.
type Filter struct {
	Host, Managed string
	Outcome       Outcome
}

// maxPage is the largest page of a listing.
const maxPage = 1000

// List returns a page of the caller's realm's deployments, by hosts and names,
// and where the next one begins, "" at the end.
func (s *Service) List(ctx context.Context, call *key.Call, f Filter, page kms.Page) (list []*Deployment, next string, err error) {
	if page.Limit < 1 || page.Limit > maxPage {
		page.Limit = maxPage
	}
	list, err = guard.Do(ctx, s.guard, call, key.ListDeployments, func(v *guard.Visit) ([]*Deployment, error) {
		if err := v.Authorize(realmTarget(call, key.ListDeployments)); err != nil {
			return nil, err
		}
		return s.all(ctx, call.Caller.Principal.Realm, f, page)
	})
	if err == nil && len(list) > page.Limit {
		list = list[:page.Limit]
		next = list[page.Limit-1].id()
	}
	return list, next, err
}

// all returns what the filter wants from the page on, one more than it holds
// where there is one.
func (s *Service) all(ctx context.Context, realm key.RealmID, f Filter, page kms.Page) ([]*Deployment, error) {
	prefix := string(realm) + "/"
	if f.Host != "" {
		prefix += f.Host + "/"
	}
	q := store.Query{From: prefix, To: prefix[:len(prefix)-1] + "0", After: page.After} // "0" follows "/"
	var list []*Deployment
	err := s.store.View(ctx, func(r store.Reader) error {
		for row, err := range r.Scan(store.Deployments, q) {
			if err != nil {
				return err
			}
			d, err := read(row)
			if err != nil {
				return err
			}
			if f.Managed != "" && d.Managed != f.Managed || f.Outcome != "" && d.Outcome != f.Outcome {
				continue
			}
			if list = append(list, d); len(list) > page.Limit {
				return nil
			}
		}
		return nil
	})
	return list, err
}

// Tick forgets deployments that nobody reports any more (lifecycle.Task).
func (s *Service) Tick(ctx context.Context) (more bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	if s.at == "" && now.Sub(s.swept) < sweepEvery {
		return false, nil
	}
	last := ""
	err = s.store.Update(ctx, func(tx store.Tx) error {
		last = ""
		for row, err := range tx.Scan(store.Deployments, store.Query{After: s.at, Limit: sweepPage}) {
			if err != nil {
				return err
			}
			d, err := read(row)
			if err != nil {
				return err
			}
			if last = row.ID; now.Sub(d.ReportedAt) > keep {
				if err := tx.Delete(store.Deployments, row.ID); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil {
		return false, err
	}
	if s.at = last; last == "" {
		s.swept = now
	}
	return last != "", nil
}
