package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/holdfast-kms/holdfast/internal/config"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/guard"
	"github.com/holdfast-kms/holdfast/internal/identity"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/policy"
	"github.com/holdfast-kms/holdfast/internal/seal"
	"github.com/holdfast-kms/holdfast/internal/server/gauges"
	"github.com/holdfast-kms/holdfast/internal/store"
	"github.com/holdfast-kms/holdfast/internal/store/embedded"
)

// SealChange says how the seal of a data directory is to be changed.
type SealChange struct {
	Plan seal.Plan
	// ReplaceRoot replaces the root key itself, and re-encrypts all that is
	// under it.
	ReplaceRoot bool
	// Deliver hands out the new shares, with the method shares. When it fails
	// the seal stays open to the old credentials too.
	Deliver seal.Deliver
}

// ChangeSeal changes the seal of a data directory that nobody serves, and
// records it. Whenever it is interrupted, what opened the seal before still
// does: see seal.Change.
func ChangeSeal(ctx context.Context, c config.Config, o *seal.Opened, change SealChange) error {
	err := keeping(ctx, &c, o, key.ChangeSeal, func(v *guard.Visit, s store.Store, root *seal.Root) error {
		v.Note("method", string(change.Plan.Method))
		v.Note("root_key", root.ID())
		if change.ReplaceRoot {
			v.Note("root_key_replaced", "yes")
		}
		return v.Commit(ctx, func() error { return changeSeal(ctx, s, root, o, change) })
	})
	if err != nil || !change.ReplaceRoot {
		return err
	}
	// What the old root key encrypts is to be gone from the file as well.
	if err := embedded.Compact(ctx, filepath.Join(c.Data, storeFile)); err != nil {
		return fmt.Errorf("the root key was replaced, but the store's file still has rows under the old one: %w", err)
	}
	return nil
}

func changeSeal(ctx context.Context, s store.Store, root *seal.Root, o *seal.Opened, change SealChange) error {
	c, err := o.Begin(ctx, root, change.Plan, change.ReplaceRoot)
	if err != nil {
		return err
	}
	if change.ReplaceRoot {
		if err := s.Update(ctx, func(tx store.Tx) error { return reseal(tx, c.From, c.To) }); err != nil {
			return fmt.Errorf("re-encrypting what is under the root key: %w", err)
		}
	}
	if len(c.Shares) > 0 {
		if err := change.Deliver(c.Shares); err != nil {
			return fmt.Errorf("handing out the shares: %w", err)
		}
	}
	return c.Finish()
}

// reseal re-encrypts everything in a store that is under a root key: whoever
// has a seal.Root and stores what it sealed is called here, which
// TestEverythingUnderTheRootKey sees to.
func reseal(tx store.Tx, from, to *seal.Root) error {
	if err := seal.Reseal(tx, from, to); err != nil {
		return err
	}
	return identity.Reseal(tx, from, to)
}

// ExportRootKey hands the root key of a data directory that nobody serves to
// use, for a recovery package, and records it.
func ExportRootKey(ctx context.Context, c config.Config, o *seal.Opened, use func(*seal.RootKey) error) error {
	return keeping(ctx, &c, o, key.ExportRootKey, func(v *guard.Visit, _ store.Store, root *seal.Root) error {
		k, err := o.Key(root)
		if err != nil {
			return err
		}
		defer k.Clear()
		v.Note("root_key", root.ID())
		return v.Commit(ctx, func() error { return use(k) })
	})
}

// Restoration is a data directory to be made of a root key and, if there is
// one, a backup of the store.
type Restoration struct {
	Key *seal.RootKey
	// Plan is how the new directory is sealed, Deliver as in SealChange.
	Plan    seal.Plan
	Deliver seal.Deliver
	// Backup is the path of what "holdfast backup" wrote; "" for none.
	Backup string
}

// Restore makes a data directory of a root key and a backup, tries that the
// one opens the other, and records it. The directory may have the audit log of
// the lost one, which goes on then, and nothing else of a server's.
func Restore(ctx context.Context, c config.Config, r Restoration) (err error) {
	path := filepath.Join(c.Data, storeFile)
	if _, err := os.Lstat(path); err == nil || seal.Exists(c.Data) {
		return fault.New(fault.AlreadyExists, "%s has a seal or a store already: restore to a directory without", c.Data)
	}
	if err := os.MkdirAll(c.Data, 0o700); err != nil {
		return fmt.Errorf("making the data directory: %w", err)
	}
	if r.Backup != "" {
		if err := embedded.Copy(ctx, r.Backup, path); err != nil {
			return err
		}
		defer func() {
			if err != nil && !seal.Exists(c.Data) { // else it can be gone on with
				err = errors.Join(err, os.Remove(path))
			}
		}()
		if err := claimable(ctx, path, r.Key); err != nil {
			return err
		}
	}
	root, err := seal.Restore(ctx, c.Data, r.Key, r.Plan, r.Deliver)
	if err != nil || r.Backup == "" {
		return err
	}
	_, err = offline(ctx, &c, root, func(i *instance) (struct{}, error) { // opens every credential and the audit log's key
		return recorded(ctx, i, key.RestoreServer, func(v *guard.Visit) error {
			v.Note("root_key", root.ID())
			v.NoteInt("keys", i.keys.Keys())
			return nil
		})
	})
	return err
}

// claimable returns an error unless the root key is that of a store.
func claimable(ctx context.Context, path string, k *seal.RootKey) (err error) {
	s, err := embedded.Open(path, embedded.Options{})
	if err != nil {
		return fmt.Errorf("opening the backup: %w", err)
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	root, err := k.Root()
	if err != nil {
		return err
	}
	return seal.Claim(ctx, root, s)
}

// keeping opens the store and the audit log of a data directory, and nothing
// else of it, for one recorded act on its seal.
func keeping(
	ctx context.Context, c *config.Config, o *seal.Opened, action key.Action,
	act func(*guard.Visit, store.Store, *seal.Root) error,
) (err error) {
	root, err := o.Root()
	if err != nil {
		return err
	}
	i := &instance{region: c.Region, gauges: gauges.New()}
	defer func() { err = errors.Join(err, i.close()) }()
	if err := i.openStore(c, false); err != nil {
		return err
	}
	if err := seal.Claim(ctx, root, i.store); err != nil {
		return err
	}
	if err := i.openAudit(ctx, c, root, false, slog.New(slog.DiscardHandler)); err != nil {
		return err
	}
	i.guard = guard.New(i.audit, nobody{})
	_, err = recorded(ctx, i, action, func(v *guard.Visit) error { return act(v, i.store, root) })
	return err
}

// nobody has no policies: what is done offline is permitted by having the root
// key.
type nobody struct{}

func (nobody) Policies(*key.Caller) []*policy.Policy { return nil }

// recorded does something on the seal of a data directory whose root key is
// open, which is permission enough, and records it.
func recorded(ctx context.Context, i *instance, action key.Action, act func(*guard.Visit) error) (struct{}, error) {
	call := startCall(key.DefaultRealm, action.String())
	call.Region = i.region
	return guard.Do(ctx, i.guard, call, action, func(v *guard.Visit) (struct{}, error) {
		v.Permit(serverResource("seal"), "whoever opens the seal")
		return struct{}{}, act(v)
	})
}

// Backup writes a consistent copy of a data directory's store to a new file,
// while it is served or not. It needs no root key and leaves no audit entry:
// whoever can read the directory can copy it, and what is secret in it stays
// encrypted.
func Backup(ctx context.Context, c config.Config, path string) error {
	return embedded.Copy(ctx, filepath.Join(c.Data, storeFile), path)
}
