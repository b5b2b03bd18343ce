package customstore

import (
	"bytes"
	"context"

	"github.com/holdfast-kms/holdfast/internal/cluster"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/guard"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/store"
)

// Update says what of a key store is to change; zero fields stay.
type Update struct {
	Name string
	// Password is what the tokens' user logs in with now.
	Password *key.Secret
	// Cluster is another cluster of the same lineage, with the same certificate.
	Cluster string
}

// change runs an alteration of a key store as a call of its own.
func (s *Service) change(
	ctx context.Context, call *key.Call, action key.Action, id string, act func(v *guard.Visit, st *Store) error,
) error {
	_, err := guard.Do(ctx, s.guard, call, action, func(v *guard.Visit) (struct{}, error) {
		none := struct{}{}
		if err := authorise(v, action); err != nil {
			return none, err
		}
		s.changing.Lock()
		defer s.changing.Unlock()
		st, err := s.find(v, id)
		if err != nil {
			return none, err
		}
		return none, act(v, st)
	})
	return err
}

// Update changes a key store. Its password and cluster can be changed only
// while it is disconnected, its name also while it is connected.
func (s *Service) Update(ctx context.Context, call *key.Call, id string, u Update) error {
	return s.change(ctx, call, key.UpdateKeyStore, id, func(v *guard.Visit, st *Store) error {
		if st.State != Disconnected && (st.State != Connected || u.Password != nil || u.Cluster != "") {
			return forbids(st)
		}
		if err := s.apply(ctx, v, st, &u); err != nil {
			return err
		}
		if err := dry(call); err != nil {
			return err
		}
		return s.put(ctx, v, st)
	})
}

// apply makes the changes to a copy of the key store that is stored later.
func (s *Service) apply(ctx context.Context, v *guard.Visit, st *Store, u *Update) error {
	if u.Name != "" {
		v.Note("name", u.Name)
		if err := named(u.Name, s.others(st)); err != nil {
			return err
		}
		st.Name = u.Name
	}
	if u.Cluster != "" {
		v.Note("cluster", u.Cluster)
		if err := s.move(ctx, st, u.Cluster); err != nil {
			return err
		}
	}
	if u.Password != nil {
		return s.keepPassword(st, *u.Password)
	}
	return nil
}

// move puts a key store over another cluster with the same keys.
func (s *Service) move(ctx context.Context, st *Store, id string) error {
	c, err := s.cluster(ctx, st, id)
	if err != nil {
		return err
	}
	anchor, err := cluster.ParseAnchor([]byte(st.Anchor))
	if err != nil {
		return err
	}
	if c.Lineage != st.Lineage || !bytes.Equal(anchor, c.Anchor) {
		return &fault.Error{
			Kind: fault.InvalidArgument, Reason: fault.ClusterNotRelated, Resource: c.Resource().String(),
			Public: "the cluster has no backup in common with the one that the key store has",
		}
	}
	st.Cluster = c.ID
	return nil
}

// forbids is the error for a call that a key store's state forbids.
func forbids(st *Store) error {
	return &fault.Error{
		Kind: fault.WrongState, Reason: fault.KeyStoreDisconnected, Resource: st.Resource().String(),
		Public: "the custom key store is " + string(st.State),
	}
}

// Delete ends a key store that is disconnected and has no keys.
func (s *Service) Delete(ctx context.Context, call *key.Call, id string) error {
	return s.change(ctx, call, key.DeleteKeyStore, id, func(v *guard.Visit, st *Store) error {
		if st.State != Disconnected {
			return forbids(st)
		}
		if n := s.keys.InStore(id); n > 0 {
			v.NoteInt("keys", n)
			return &fault.Error{
				Kind: fault.WrongState, Reason: fault.KeyStoreHasKeys, Resource: st.Resource().String(),
				Public: "the custom key store has keys",
			}
		}
		if err := dry(call); err != nil {
			return err
		}
		err := v.Commit(ctx, func() error {
			return s.store.Update(ctx, func(tx store.Tx) error { return tx.Delete(store.KeyStores, id) })
		})
		if err != nil {
			return err
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.stores, id)
		s.publish()
		return nil
	})
}
