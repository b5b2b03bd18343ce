package remote

import (
	"context"
	"slices"

	"github.com/holdfast-kms/holdfast/client"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/pkcs11"
)

// deletionDays is how long a destroyed key waits: the shortest time there is.
// Until then its deletion can be cancelled by who may do that.
const deletionDays = 7

// key returns a key of the token. The turn is held.
func (a *account) key(ctx context.Context, id string) (*entry, error) {
	if a.seen.Load() == nil {
		if err := a.ask(ctx); err != nil {
			return nil, err
		}
	}
	if e := a.keys[id]; e != nil && e.shown {
		return e, nil
	}
	return nil, nil
}

// Rename implements token.Keeper.
func (h *holder) Rename(ctx context.Context, id, label string, ckaID []byte) error {
	unlock, err := h.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	e, err := h.key(ctx, id)
	if err != nil {
		return err
	}
	if e == nil {
		return h.renameCertificate(ctx, id, label, ckaID)
	}
	tags, err := tagsOf(label, ckaID)
	if err != nil {
		return err
	}
	if len(tags) > 0 {
		if err := h.client.Tag(ctx, id, tags...); err != nil {
			return failure("pkcs11.Rename", err)
		}
	}
	if err := h.untag(ctx, e, label == "", len(ckaID) == 0); err != nil {
		return failure("pkcs11.Rename", err)
	}
	own := *e
	own.label, own.ckaID = label, slices.Clone(ckaID)
	if len(ckaID) == 0 {
		own.ckaID = nil
	}
	h.keys[id] = &own
	h.changed(ctx)
	return nil
}

// untag removes the tags of names that a key has no longer.
func (h *holder) untag(ctx context.Context, e *entry, label, id bool) error {
	var gone []string
	if label && e.label != "" {
		gone = append(gone, TagLabel)
	}
	if id && e.ckaID != nil {
		gone = append(gone, TagID)
	}
	if len(gone) == 0 {
		return nil
	}
	return h.client.Untag(ctx, e.id, gone...)
}

// renameCertificate registers a certificate again, at another place in the
// token.
func (h *holder) renameCertificate(ctx context.Context, id, label string, ckaID []byte) error {
	e, c := h.certificate(id)
	if c == nil {
		return gone(id)
	}
	if _, err := h.client.Register(ctx, "pkcs11", []client.Sighting{{Data: c.der, Address: placeOf(label, ckaID)}}); err != nil {
		return failure("pkcs11.Rename", err)
	}
	h.replace(ctx, e, c, c.renamed(label, ckaID))
	return nil
}

// replace shows another certificate in the place of one, or with nil none. The
// key is nil of a certificate that no key of the token has.
func (a *account) replace(ctx context.Context, e *entry, old, by *certificate) {
	list := a.written
	if e != nil {
		list = e.certificates
	}
	list = slices.DeleteFunc(slices.Clone(list), old.same)
	if by != nil {
		list = append(list, by)
	}
	if e == nil {
		a.written = list
	} else {
		own := *e
		own.certificates = list
		a.keys[e.id] = &own
	}
	a.changed(ctx)
}

// certificate returns a certificate, and the key that has it, if one does.
func (a *account) certificate(id string) (*entry, *certificate) {
	for _, e := range a.keys {
		if e == nil {
			continue
		}
		for _, c := range e.certificates {
			if c.id == id {
				return e, c
			}
		}
	}
	for _, c := range a.written {
		if c.id == id {
			return nil, c
		}
	}
	return nil, nil
}

func gone(id string) error {
	return &fault.Error{Kind: fault.NotFound, Op: "pkcs11", Resource: id, Public: "the object is no longer there"}
}

// Destroy implements token.Keeper.
func (h *holder) Destroy(ctx context.Context, id string) error {
	unlock, err := h.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	e, err := h.key(ctx, id)
	if err != nil {
		return err
	}
	if e == nil {
		return h.forget(ctx, id)
	}
	if _, err := h.client.ScheduleDeletion(ctx, id, deletionDays); err != nil {
		return failure("pkcs11.Destroy", err)
	}
	h.keys[id] = &entry{id: id, checked: h.token.now(), aliases: e.aliases}
	h.changed(ctx)
	return nil
}

// forget removes a certificate from elsewhere. One that an authority here has
// issued stays in the inventory for ever.
func (h *holder) forget(ctx context.Context, id string) error {
	e, c := h.certificate(id)
	switch {
	case c == nil:
		return gone(id)
	case c.issued:
		return &fault.Error{
			Kind: fault.Unsupported, Op: "pkcs11.Destroy", Resource: id, Err: pkcs11.RVActionProhibited, // what the application is told
			Public: "a certificate that an authority here has issued stays in the inventory",
		}
	}
	if err := h.client.Forget(ctx, c.fingerprint); err != nil {
		return failure("pkcs11.Destroy", err)
	}
	h.replace(ctx, e, c, nil)
	return nil
}

// Material implements token.Keeper.
func (h *holder) Material(ctx context.Context, id string) ([]byte, error) {
	exported, err := h.client.ExportKey(ctx, id)
	if err != nil {
		return nil, failure("pkcs11.Export", err)
	}
	return exported.Material, nil
}
