package seal

import (
	"context"
	"fmt"
	"sync"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/store"
)

// Rows of store.Settings. Their bodies are text, or what Root.Seal made for
// the row's name: never text that begins as that does.
const (
	installationRow = "installation"
	rootKeyRow      = "root key"   // the check of the root key that all is under
	realmRow        = "realm key " // followed by the realm's id
)

// Claim ties a store to the root key and its installation at first use, and
// later refuses a store that belongs to another one. While the root key is
// being replaced it finds out which one the store is under. Whoever calls has
// the store for itself.
func Claim(ctx context.Context, r *Root, s store.Store) error {
	have, err := Setting(ctx, s, installationRow, func() []byte { return []byte(r.installation) })
	if err != nil {
		return err
	}
	if string(have) != r.installation {
		return fault.New(fault.Unauthenticated,
			"the store belongs to installation %s, the seal to %s: they are not of one data directory", have, r.installation)
	}
	under, err := Setting(ctx, s, rootKeyRow, func() []byte { return []byte(r.check) })
	if err != nil {
		return err
	}
	if err := r.choose(string(under)); err != nil {
		return err
	}
	r.others = []candidate{{r.check, r.box}} // the other root key is not needed again
	if r.tidy != nil {
		return r.tidy()
	}
	return nil
}

// Reseal re-encrypts the settings that are sealed, under another root key, and
// has the store belong to that one. Owners of other rows that a Root has sealed
// do the same in the same transaction.
func Reseal(tx store.Tx, from, to *Root) error {
	var sealed []store.Row
	for row, err := range tx.Scan(store.Settings, store.Query{}) {
		if err != nil {
			return err
		}
		if len(row.Body) > 0 && row.Body[0] == sealedVersion {
			sealed = append(sealed, row)
		}
	}
	for _, row := range sealed {
		plaintext, err := from.Unseal(row.ID, row.Body, nil)
		if err != nil {
			return fmt.Errorf("the setting %q: %w", row.ID, err)
		}
		row.Body = to.Seal(row.ID, plaintext, nil)
		clear(plaintext)
		if err := tx.Put(store.Settings, row); err != nil {
			return err
		}
	}
	return tx.Put(store.Settings, store.Row{ID: rootKeyRow, Body: []byte(to.check)})
}

// Setting returns a row of the store's settings, and stores what initial
// gives where there is none.
func Setting(ctx context.Context, s store.Store, name string, initial func() []byte) ([]byte, error) {
	var body []byte
	get := func(r store.Reader) error {
		row, err := r.Get(store.Settings, name)
		body = row.Body
		return err
	}
	err := s.View(ctx, get)
	if err == nil || fault.KindOf(err) != fault.NotFound {
		return body, err
	}
	err = s.Update(ctx, func(tx store.Tx) error {
		if err := get(tx); err == nil || fault.KindOf(err) != fault.NotFound {
			return err
		}
		body = initial()
		return tx.Insert(store.Settings, store.Row{ID: name, Body: body})
	})
	if err != nil {
		return nil, fmt.Errorf("storing the setting %q: %w", name, err)
	}
	return body, nil
}

// Secret returns a secret of the installation that is stored sealed, and
// makes it where there is none.
func Secret(ctx context.Context, r *Root, s store.Store, name string, initial func() []byte) ([]byte, error) {
	sealed, err := Setting(ctx, s, name, func() []byte { return r.Seal(name, initial(), nil) })
	if err != nil {
		return nil, err
	}
	return r.Unseal(name, sealed, nil)
}

// Keyring wraps key material under the key of its realm. Realm keys are
// random, and stored under the root key.
type Keyring struct {
	root  *Root
	store store.Store

	mu     sync.RWMutex // guards realms
	realms map[key.RealmID]box
}

// NewKeyring returns the keyring of a store.
func NewKeyring(r *Root, s store.Store) *Keyring {
	return &Keyring{root: r, store: s, realms: map[key.RealmID]box{}}
}

const materialPurpose = "key material"

// Wrap encrypts key material of a realm and binds it to associated.
func (k *Keyring) Wrap(realm key.RealmID, plaintext, associated []byte) ([]byte, error) {
	b, err := k.realm(realm)
	if err != nil {
		return nil, err
	}
	return b.seal(materialPurpose, plaintext, associated), nil
}

// Unwrap decrypts what Wrap made for the same realm and associated data.
func (k *Keyring) Unwrap(realm key.RealmID, wrapped, associated []byte) ([]byte, error) {
	b, err := k.realm(realm)
	if err != nil {
		return nil, err
	}
	plaintext, err := b.open(materialPurpose, wrapped, associated)
	if err != nil {
		return nil, &fault.Error{Kind: fault.Internal, Op: "seal.Unwrap", Err: err}
	}
	return plaintext, nil
}

// String keeps the realm keys out of every log.
func (k *Keyring) String() string { return "keyring" }

// GoString keeps the realm keys out of %#v.
func (k *Keyring) GoString() string { return k.String() }

// realm returns what encrypts under a realm's key.
func (k *Keyring) realm(realm key.RealmID) (box, error) {
	k.mu.RLock()
	b, ok := k.realms[realm]
	k.mu.RUnlock()
	if ok {
		return b, nil
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	secret, err := Secret(context.Background(), k.root, k.store, realmRow+string(realm), func() []byte { return random(keySize) })
	if err != nil {
		return box{}, fmt.Errorf("opening the key of realm %s: %w", realm, err)
	}
	defer clear(secret)
	if b, err = newBox(secret); err == nil {
		k.realms[realm] = b
	}
	return b, err
}
