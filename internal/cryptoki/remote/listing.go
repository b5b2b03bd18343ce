package remote

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/holdfast-kms/holdfast/client"
	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/wire/aws"
)

const (
	// page is how many keys, aliases or certificates are asked for at a time.
	page = 1000
	// perKey spreads what is asked of each key again: of many keys fewer are asked
	// in a second.
	perKey = 25 * time.Millisecond
	// maxListed is how many of the server's keys are looked at.
	maxListed = 20000
)

// errEnough ends a listing that is long enough.
var errEnough = errors.New("the list is long enough")

// listing is what the server was asked in one turn.
type listing struct {
	*account
	now     time.Time
	again   time.Time // entries checked before are asked for again
	aliases map[string][]string
}

// ask brings what is known of the token up to date. The turn is held.
func (a *account) ask(ctx context.Context) error {
	now := a.token.now()
	l := &listing{
		account: a, now: now, aliases: map[string][]string{},
		again: now.Add(-max(10*a.token.config.Fresh, time.Duration(len(a.keys))*perKey)),
	}
	if err := l.names(ctx); err != nil {
		return failure("pkcs11.Aliases", err)
	}
	ids, err := l.ids(ctx)
	if err != nil {
		return failure("pkcs11.Keys", err)
	}
	if err := l.describe(ctx, ids); err != nil {
		return failure("pkcs11.Key", err)
	}
	return failure("pkcs11.Certificates", l.readWritten(ctx))
}

// names reads all aliases. A credential that may not list them sees keys by
// their ids.
func (l *listing) names(ctx context.Context) error {
	err := pages(func(p client.Page) (string, error) {
		list, err := l.client.Aliases(ctx, "", p)
		if err != nil {
			return "", err
		}
		for _, a := range list.Aliases {
			l.aliases[a.KeyID] = append(l.aliases[a.KeyID], a.Name)
		}
		return list.Next, nil
	})
	if client.KindOf(err) == client.PermissionDenied {
		return nil
	}
	return err
}

// ids returns the ids of the keys that the token may show.
func (l *listing) ids(ctx context.Context) ([]string, error) {
	var ids []string
	listed := 0
	choice := &l.token.config.Choice
	err := pages(func(p client.Page) (string, error) {
		list, err := l.client.Keys(ctx, p)
		if err != nil {
			return "", err
		}
		for _, k := range list.Keys {
			if choice.wantsName(k.ID, l.aliases[k.ID]) {
				ids = append(ids, k.ID)
			}
		}
		if listed += len(list.Keys); listed >= maxListed {
			return "", errEnough
		}
		return list.Next, nil
	})
	if errors.Is(err, errEnough) {
		err = nil
	}
	return ids, err
}

// pages calls list for each page of a listing.
func pages(list func(client.Page) (next string, err error)) error {
	for p := (client.Page{Limit: page}); ; {
		next, err := list(p)
		if err != nil || next == "" {
			return err
		}
		p.After = next
	}
}

// describe asks for the keys that are new, and again for those of which nothing
// was heard for a while, several at the same time. Those that are no longer
// listed are forgotten.
func (l *listing) describe(ctx context.Context, ids []string) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var all sync.WaitGroup
	slots := make(chan struct{}, parallel)
	found := make([]*entry, len(ids))
	for i, id := range ids {
		old := l.keys[id]
		if old != nil && old.checked.After(l.again) && slices.Equal(old.aliases, l.aliases[id]) {
			found[i] = old
			continue
		}
		slots <- struct{}{}
		all.Go(func() {
			defer func() { <-slots }()
			if ctx.Err() != nil {
				return
			}
			e, err := l.entry(ctx, id, old)
			if err != nil {
				stop(err)
			}
			found[i] = e
		})
	}
	all.Wait()
	if err := context.Cause(ctx); err != nil {
		return err
	}
	clear(l.keys)
	l.order = ids
	for i, id := range ids {
		l.keys[id] = found[i]
	}
	return nil
}

// entry asks for one key. One that is not to be seen is not shown.
func (l *listing) entry(ctx context.Context, id string, old *entry) (*entry, error) {
	hidden := &entry{id: id, checked: l.now, aliases: l.aliases[id]}
	k, err := l.client.Key(ctx, id)
	if err != nil {
		return hidden, unlessUnseen(err)
	}
	e := newEntry(k, l.aliases[id], l.now)
	if e == nil || !l.token.config.Choice.wantsTags(k.Tags) {
		return hidden, nil
	}
	return e, l.complete(ctx, e, old)
}

// complete adds the public key and its certificates.
func (l *listing) complete(ctx context.Context, e, old *entry) error {
	if e.spec.Symmetric() {
		e.shown = true
		return nil
	}
	if old != nil && old.public != nil && old.version == e.version {
		e.public = old.public
	} else {
		p, err := l.client.PublicKey(ctx, e.id)
		if err != nil {
			return unlessUnseen(err)
		}
		e.public = p.SPKI
	}
	e.shown = true
	var err error
	e.certificates, err = l.certificates(ctx, e.public)
	return err
}

// unlessUnseen returns nil for the errors of a key that the credential may not
// see, or that has gone since it was listed.
func unlessUnseen(err error) error {
	if slices.Contains([]client.Kind{client.PermissionDenied, client.NotFound, client.WrongState}, client.KindOf(err)) {
		return nil
	}
	return err
}

// newEntry returns a key as the token shows it, nil of one that PKCS #11 has
// no use for.
func newEntry(k *client.Key, aliases []string, now time.Time) *entry {
	e := &entry{
		id: k.ID, checked: now, aliases: aliases, version: k.Version,
		exportable: k.Exportable, imported: k.Origin != originGenerated, tags: k.Tags,
	}
	e.spec, _ = aws.ParseSpec(k.Spec)    // none of one that a newer server has
	e.usage, _ = aws.ParseUsage(k.Usage) // the same
	if k.State != key.Enabled.String() || !usable(e.spec, e.usage) {
		return nil
	}
	for _, t := range k.Tags {
		switch t.Key {
		case TagLabel:
			e.label = t.Value
		case TagID:
			e.ckaID = parseID(t.Value)
		}
	}
	return e
}

// usable reports whether an application can do anything with such a key.
// Symmetric keys whose ciphertexts have a form of Holdfast's own, and those that
// only take in others, have no mechanism.
func usable(s alg.Spec, u alg.Usage) bool {
	if u == alg.KeyTransfer || s == alg.NoSpec || u == alg.NoUsage {
		return false
	}
	return u != alg.EncryptDecrypt || !s.Symmetric()
}
