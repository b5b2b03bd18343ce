package spire

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"

	"github.com/hashicorp/go-hclog"
	keymanagerv1 "github.com/spiffe/spire-plugin-sdk/proto/spire/plugin/server/keymanager/v1"

	"github.com/holdfast-kms/holdfast"
	"github.com/holdfast-kms/holdfast/client"
)

// held is a key that was opened.
type held struct {
	key *holdfast.Key
	// public is what SPIRE is told.
	public *keymanagerv1.PublicKey
}

// manager has the keys of one configuration.
type manager struct {
	config *config
	place  *holdfast.Place
	log    hclog.Logger

	making sync.Mutex // held while a key is made

	mu    sync.RWMutex
	index *index           // guarded by mu
	keys  map[string]*held // by SPIRE's names; guarded by mu
}

// open connects to the place and opens the keys of the file.
func open(ctx context.Context, c *config, log hclog.Logger, opts []holdfast.Option) (*manager, error) {
	i, err := readIndex(c.KeysFile, c.Place)
	if err != nil {
		return nil, err
	}
	place, err := holdfast.Connect(ctx, c.Place, append(slices.Clone(opts), holdfast.WithUsage("sign-verify"))...)
	if err != nil {
		return nil, err
	}
	m := &manager{config: c, place: place, log: log, index: i, keys: map[string]*held{}}
	for _, id := range slices.Sorted(maps.Keys(i.Keys)) {
		if err := m.load(ctx, id, i.Keys[id]); err != nil {
			return nil, errors.Join(fmt.Errorf("opening the key %s: %w", id, err), m.close())
		}
	}
	return m, nil
}

// load opens a key of the file. SPIRE replaces one that is gone for good; a
// place that is away is an error, for the same key may be back in a moment.
func (m *manager) load(ctx context.Context, id string, e entry) error {
	key, err := m.place.Open(ctx, e.URI)
	if kind := holdfast.KindOf(err); kind == holdfast.NotFound || kind == holdfast.WrongState {
		m.log.Warn("a key cannot be used any more: SPIRE will make a new one", "key", id, "uri", e.URI, "reason", err)
		return nil
	}
	if err != nil {
		return err
	}
	h, err := newHeld(id, key)
	if err != nil {
		return errors.Join(err, key.Close())
	}
	if h.public.Fingerprint != e.Fingerprint {
		return errors.Join(&holdfast.Error{
			Kind: holdfast.Conflict, URI: e.URI, Detail: "the name is of another key than the one that was made for SPIRE",
		}, key.Close())
	}
	m.keys[id] = h
	return nil
}

// types are the keys that SPIRE has.
var types = map[keymanagerv1.KeyType]string{
	keymanagerv1.KeyType_EC_P256: "p-256", keymanagerv1.KeyType_EC_P384: "p-384",
	keymanagerv1.KeyType_RSA_2048: "rsa-2048", keymanagerv1.KeyType_RSA_4096: "rsa-4096",
}

// newHeld returns an opened key.
func newHeld(id string, key *holdfast.Key) (*held, error) {
	for t, spec := range types {
		if spec == key.Spec() {
			der := key.PublicDER()
			sum := sha256.Sum256(der)
			return &held{key, &keymanagerv1.PublicKey{Id: id, Type: t, PkixData: der, Fingerprint: hex.EncodeToString(sum[:])}}, nil
		}
	}
	return nil, &holdfast.Error{Kind: holdfast.Unsupported, URI: key.URI(), Detail: "SPIRE has no keys of the type " + key.Spec()}
}

// get returns a key.
func (m *manager) get(id string) (*held, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	h, ok := m.keys[id]
	if !ok {
		return nil, &holdfast.Error{Kind: holdfast.NotFound, Detail: "there is no key " + id}
	}
	return h, nil
}

// list returns what SPIRE is told of the keys, by their names.
func (m *manager) list() []*keymanagerv1.PublicKey {
	m.mu.RLock()
	defer m.mu.RUnlock()
	var all []*keymanagerv1.PublicKey
	for _, id := range slices.Sorted(maps.Keys(m.keys)) {
		all = append(all, m.keys[id].public)
	}
	return all
}

// make makes a key. It is SPIRE's when the file says so; then the one that it
// replaces is retired.
func (m *manager) make(ctx context.Context, id, spec string) (*held, error) {
	m.making.Lock()
	defer m.making.Unlock()
	key, err := m.place.Create(ctx, m.name(id), spec)
	if err != nil {
		return nil, err
	}
	h, err := newHeld(id, key)
	if err != nil {
		return nil, errors.Join(err, key.Close())
	}
	replaced, old, err := m.set(id, h)
	if err != nil {
		m.retire(ctx, id, key.URI())
		return nil, errors.Join(err, key.Close())
	}
	if replaced != "" {
		m.retire(ctx, id, replaced)
	}
	if old != nil {
		// SPIRE does not replace a key that it signs with.
		if err := old.key.Close(); err != nil {
			m.log.Warn("closing a key that was replaced", "key", id, "reason", err)
		}
	}
	return h, nil
}

// set has a key be the one of SPIRE's name, in the file and here. It returns the
// URI of the one that it replaces, if any.
func (m *manager) set(id string, h *held) (replaced string, old *held, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	next := &index{Version: indexVersion, Place: m.index.Place, Keys: maps.Clone(m.index.Keys)}
	next.Keys[id] = entry{h.key.URI(), h.public.Fingerprint}
	if err := next.write(m.config.KeysFile); err != nil {
		return "", nil, err
	}
	replaced, old = m.index.Keys[id].URI, m.keys[id]
	m.index, m.keys[id] = next, h
	return replaced, old, nil
}

// name returns a new name for a key in the place. All places take letters, digits
// and hyphens, and one takes no more than 63 characters.
func (m *manager) name(id string) string {
	const most = 28
	plain := strings.Map(func(r rune) rune {
		switch {
		case '0' <= r && r <= '9', 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z':
			return r
		}
		return '-'
	}, id)
	name := m.config.Prefix + plain[:min(len(plain), most)] + "-" + strings.ToLower(rand.Text()[:13])
	switch scheme, _, _ := strings.Cut(m.config.Place, ":"); scheme {
	case holdfast.SchemeHoldfast, holdfast.SchemeAWS:
		return "alias/" + name
	case holdfast.SchemeFile:
		return name + ".pem"
	}
	return name
}

// retire deletes a key that SPIRE has no more use for, where that can be done. A
// failure is an operator's to see to, and not SPIRE's.
func (m *manager) retire(ctx context.Context, id, uri string) {
	done, err := m.remove(ctx, uri)
	switch {
	case err != nil:
		m.log.Warn("a key is not used any more and could not be deleted", "key", id, "uri", uri, "reason", err)
	case done:
		m.log.Info("a key was replaced and is deleted", "key", id, "uri", uri)
	default:
		m.log.Warn("a key is not used any more: delete it where it is", "key", id, "uri", uri)
	}
}

// remove deletes a key of a server, in the server's time, or a file. Of other
// places it reports false.
func (m *manager) remove(ctx context.Context, uri string) (bool, error) {
	u, err := holdfast.ParseURI(uri)
	if err != nil {
		return false, err
	}
	switch u.Scheme {
	case holdfast.SchemeFile:
		return true, os.Remove(u.Key)
	case holdfast.SchemeHoldfast:
		return true, m.schedule(ctx, u)
	}
	return false, nil
}

// schedule has a server delete a key. The key was made by the same credential,
// so that the server is the one that it is for.
func (m *manager) schedule(ctx context.Context, u *holdfast.URI) error {
	c := client.Environment()
	if c.Address == "" {
		c.Address = "https://" + u.Host
	}
	c.Region, c.CACert = cmp.Or(u.Query["region"], c.Region), cmp.Or(u.Query["ca"], c.CACert)
	server, err := client.New(c)
	if err != nil {
		return err
	}
	k, err := server.Key(ctx, u.Key)
	if err != nil {
		return err
	}
	_, err = server.ScheduleDeletion(ctx, k.ID, m.config.DeletionDays)
	return err
}

// close gives up the keys and the connection.
func (m *manager) close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	var failures []error
	for _, h := range m.keys {
		failures = append(failures, h.key.Close())
	}
	clear(m.keys)
	return errors.Join(append(failures, m.place.Close())...)
}
