// Package cryptokitest has what tests of PKCS #11 slots share: a Token in
// memory, and a client of the p11-kit protocol.
package cryptokitest

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha1" //nolint:gosec // CKA_ID is a name
	"fmt"
	"log/slog"
	"slices"
	"sync"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/cryptoki/object"
	"github.com/holdfast-kms/holdfast/internal/cryptoki/softkey"
	"github.com/holdfast-kms/holdfast/internal/cryptoki/token"
	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/fault"
)

// Token is a token in memory. It implements token.Token.
type Token struct {
	Label string
	// PIN is the only right one; empty asks for no login.
	PIN string

	maker *softkey.Maker
	// mu guards what follows.
	mu      sync.Mutex
	objects []token.Object
	keys    map[string]material
	last    int
	expired bool
}

// material is what an object's key has beside its Use.
type material interface {
	token.Use
	Material(ctx context.Context) ([]byte, error)
}

// New returns an empty token. Close it after use.
func New(label, pin string) (*Token, error) {
	m, err := softkey.New(slog.New(slog.DiscardHandler))
	if err != nil {
		return nil, err
	}
	return &Token{Label: label, PIN: pin, maker: m, keys: map[string]material{}}, nil
}

// Close ends the token.
func (t *Token) Close() error { return t.maker.Close() }

// Expire makes all that is done from now on fail as a login that is over, until
// the next one.
func (t *Token) Expire() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.expired = true
}

// Describe implements token.Token.
func (t *Token) Describe() token.Description {
	return token.Description{Label: t.Label, Serial: "0001", Model: "memory", Manufacturer: "Holdfast", LoginRequired: t.PIN != ""}
}

// Login implements token.Token.
func (t *Token) Login(_ context.Context, pin []byte) (token.Holder, error) {
	if t.PIN != "" && string(pin) != t.PIN {
		return nil, fault.New(fault.Unauthenticated, "that is not the PIN")
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.expired = false
	return &holder{token: t}, nil
}

// holder implements token.Holder.
type holder struct {
	token *Token
	// What follows is guarded by the token's mu: the objects as the holder uses
	// them, made of the token's.
	closed bool
	from   []token.Object
	mine   []token.Object
}

// enter takes the token's mu for a holder that is still good.
func (h *holder) enter() error {
	h.token.mu.Lock()
	if h.closed || h.token.expired {
		h.token.mu.Unlock()
		return fault.New(fault.Unauthenticated, "the login is over")
	}
	return nil
}

// Objects implements token.Holder.
func (h *holder) Objects(context.Context) ([]token.Object, error) {
	if err := h.enter(); err != nil {
		return nil, err
	}
	t := h.token
	defer t.mu.Unlock()
	if len(t.objects) != len(h.from) || len(h.from) > 0 && &h.from[0] != &t.objects[0] {
		h.from, h.mine = t.objects, slices.Clone(t.objects)
		for i := range h.mine {
			h.mine[i].Use = h.use(h.mine[i].ID)
		}
	}
	return h.mine, nil
}

// use returns the key of an object, as the holder uses it. The caller has mu.
func (h *holder) use(id string) token.Use {
	if m := h.token.keys[id]; m != nil {
		return use{h, m}
	}
	return nil
}

// Generate implements token.Maker.
func (h *holder) Generate(ctx context.Context, b *token.Blueprint) (token.Object, error) {
	t := h.token
	if !b.Spec.Allows(b.Usage) {
		return token.Object{}, fault.Because(fault.InvalidArgument, fault.IncompatibleUsage, "a key of type %s is not for %s", b.Spec, b.Usage)
	}
	if b.Spec.Symmetric() {
		value := make([]byte, b.Spec.Info().Bits/8)
		_, err := rand.Read(value)
		if err != nil {
			return token.Object{}, err
		}
		return h.add(b, softkey.NewSecret(value), nil, false)
	}
	pair, err := t.maker.Generate(ctx, b.Spec)
	if err != nil {
		return token.Object{}, err
	}
	return h.add(b, pair, pair.Public(), false)
}

// Import implements token.Maker.
func (h *holder) Import(ctx context.Context, b *token.Blueprint, material []byte) (token.Object, error) {
	if b.Spec.Symmetric() {
		return h.add(b, softkey.NewSecret(material), nil, true)
	}
	pair, err := h.token.maker.Import(ctx, b.Spec, material)
	if err != nil {
		return token.Object{}, err
	}
	return h.add(b, pair, pair.Public(), true)
}

func (h *holder) add(b *token.Blueprint, m material, public []byte, imported bool) (token.Object, error) {
	o := token.Object{
		Kind: token.Key, Spec: b.Spec, Usage: b.Usage, Public: public, Exportable: b.Exportable, Imported: imported,
	}
	if b.CKAID == nil && public != nil {
		sum := sha1.Sum(public) //nolint:gosec // a name
		o.CKAID = sum[:]
	}
	return h.keep(b, o, m)
}

// AddCertificate implements token.Maker.
func (h *holder) AddCertificate(_ context.Context, b *token.Blueprint, der []byte) (token.Object, error) {
	if _, err := object.ParseCertificate(der); err != nil {
		return token.Object{}, err
	}
	return h.keep(b, token.Object{Kind: token.Certificate, Certificate: der}, nil)
}

// keep adds an object under a new ID.
func (h *holder) keep(b *token.Blueprint, o token.Object, m material) (token.Object, error) {
	if err := h.enter(); err != nil {
		return token.Object{}, err
	}
	t := h.token
	defer t.mu.Unlock()
	t.last++
	o.ID, o.Label = fmt.Sprintf("object-%d", t.last), b.Label
	if b.CKAID != nil {
		o.CKAID = bytes.Clone(b.CKAID)
	}
	if m != nil {
		t.keys[o.ID] = m
	}
	t.objects = append(slices.Clone(t.objects), o)
	o.Use = h.use(o.ID)
	return o, nil
}

// Rename implements token.Keeper.
func (h *holder) Rename(_ context.Context, id, label string, ckaID []byte) error {
	return h.change(id, func(list []token.Object, i int) []token.Object {
		list[i].Label, list[i].CKAID = label, bytes.Clone(ckaID)
		return list
	})
}

// Destroy implements token.Keeper.
func (h *holder) Destroy(_ context.Context, id string) error {
	return h.change(id, func(list []token.Object, i int) []token.Object { return slices.Delete(list, i, i+1) })
}

func (h *holder) change(id string, to func([]token.Object, int) []token.Object) error {
	if err := h.enter(); err != nil {
		return err
	}
	t := h.token
	defer t.mu.Unlock()
	i := slices.IndexFunc(t.objects, func(o token.Object) bool { return o.ID == id })
	if i < 0 {
		return fault.New(fault.NotFound, "there is no such object")
	}
	t.objects = to(slices.Clone(t.objects), i)
	return nil
}

// Material implements token.Keeper.
func (h *holder) Material(ctx context.Context, id string) ([]byte, error) {
	if err := h.enter(); err != nil {
		return nil, err
	}
	m := h.token.keys[id]
	h.token.mu.Unlock()
	if m == nil {
		return nil, fault.New(fault.NotFound, "there is no such key")
	}
	return m.Material(ctx)
}

// Random implements token.Holder.
func (h *holder) Random(ctx context.Context, b []byte) error { return h.token.maker.Random(ctx, b) }

// Close implements token.Holder.
func (h *holder) Close() error {
	h.token.mu.Lock()
	defer h.token.mu.Unlock()
	h.closed = true
	return nil
}

// use is a key as one login uses it.
type use struct {
	holder *holder
	key    material
}

func (u use) check() error {
	if err := u.holder.enter(); err != nil {
		return err
	}
	u.holder.token.mu.Unlock()
	return nil
}

// Sign implements token.Use.
func (u use) Sign(ctx context.Context, a alg.Algorithm, input []byte) ([]byte, error) {
	if err := u.check(); err != nil {
		return nil, err
	}
	return u.key.Sign(ctx, a, input)
}

// MAC implements token.Use.
func (u use) MAC(ctx context.Context, a alg.Algorithm, message []byte) ([]byte, error) {
	if err := u.check(); err != nil {
		return nil, err
	}
	return u.key.MAC(ctx, a, message)
}

// Encrypt implements token.Use.
func (u use) Encrypt(ctx context.Context, a alg.Algorithm, p engine.CipherParameters, plaintext []byte) ([]byte, error) {
	if err := u.check(); err != nil {
		return nil, err
	}
	return u.key.Encrypt(ctx, a, p, plaintext)
}

// Decrypt implements token.Use.
func (u use) Decrypt(ctx context.Context, a alg.Algorithm, p engine.CipherParameters, ciphertext []byte) ([]byte, error) {
	if err := u.check(); err != nil {
		return nil, err
	}
	return u.key.Decrypt(ctx, a, p, ciphertext)
}

// Derive implements token.Use.
func (u use) Derive(ctx context.Context, spki []byte) ([]byte, error) {
	if err := u.check(); err != nil {
		return nil, err
	}
	return u.key.Derive(ctx, spki)
}
