package remote

import (
	"context"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/holdfast-kms/holdfast/client"
	"github.com/holdfast-kms/holdfast/internal/cryptoki/token"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/wire/aws"
)

// Limits of names: those of a tag's value.
const (
	maxLabel = 256 // characters
	maxID    = 128 // bytes
)

// Generate implements token.Maker.
func (h *holder) Generate(ctx context.Context, b *token.Blueprint) (token.Object, error) {
	return h.make(ctx, b, func(req *client.CreateKeyRequest) (*client.Key, error) { return h.client.CreateKey(ctx, req) })
}

// Import implements token.Maker.
func (h *holder) Import(ctx context.Context, b *token.Blueprint, material []byte) (token.Object, error) {
	return h.make(ctx, b, func(req *client.CreateKeyRequest) (*client.Key, error) {
		return h.client.ImportKey(ctx, &client.ImportKeyRequest{CreateKeyRequest: *req, Material: material})
	})
}

// make makes a key and shows it. The label is an alias as well, where it can be
// one that nobody has: that is how other APIs name the key. A label may be
// there twice, an alias may not.
func (h *holder) make(
	ctx context.Context, b *token.Blueprint, create func(*client.CreateKeyRequest) (*client.Key, error),
) (token.Object, error) {
	req, err := h.token.request(b)
	if err != nil {
		return token.Object{}, err
	}
	made, err := create(req)
	if kind := client.KindOf(err); req.Alias != "" && (kind == client.AlreadyExists || kind == client.PermissionDenied) && h.token.mayLack(req.Alias) {
		req.Alias = ""
		made, err = create(req)
	}
	if err != nil {
		return token.Object{}, failure("pkcs11.Create", err)
	}
	return h.add(ctx, made, req.Alias)
}

// mayLack reports whether a key is shown that has no such alias.
func (t *Token) mayLack(alias string) bool {
	return len(t.config.Choice.Keys) == 0 || !t.config.Choice.wantsName("", []string{alias})
}

// request returns what asks for a key.
func (t *Token) request(b *token.Blueprint) (*client.CreateKeyRequest, error) {
	req := &client.CreateKeyRequest{
		Spec: aws.SpecName(b.Spec), Usage: aws.UsageName(b.Usage), Exportable: b.Exportable, Tags: slices.Clone(t.config.Choice.Tags),
	}
	names, err := tagsOf(b.Label, b.CKAID)
	if err != nil {
		return nil, err
	}
	req.Tags = append(req.Tags, names...)
	if aliasName.MatchString(b.Label) && !strings.HasPrefix(b.Label, "aws/") {
		req.Alias = "alias/" + b.Label
	}
	if !t.config.Choice.wantsName("", []string{req.Alias}) {
		return nil, fault.New(fault.PermissionDenied, "the token shows some keys only, and one with the label %q would not be among them", b.Label)
	}
	return req, nil
}

// aliasName is a label that can be an alias.
var aliasName = regexp.MustCompile(`^[A-Za-z0-9/_-]{1,250}$`)

// tagsOf returns the tags for a label and a CKA_ID, either of which may be
// empty.
func tagsOf(label string, id []byte) ([]client.Tag, error) {
	var tags []client.Tag
	if label != "" {
		if !utf8.ValidString(label) || utf8.RuneCountInString(label) > maxLabel {
			return nil, fault.New(fault.InvalidArgument, "a label is UTF-8 and has at most %d characters", maxLabel)
		}
		tags = append(tags, client.Tag{Key: TagLabel, Value: label})
	}
	if len(id) > 0 {
		if len(id) > maxID {
			return nil, fault.New(fault.InvalidArgument, "a CKA_ID has at most %d bytes", maxID)
		}
		tags = append(tags, client.Tag{Key: TagID, Value: hex.EncodeToString(id)})
	}
	return tags, nil
}

// add shows a key that was made.
func (h *holder) add(ctx context.Context, made *client.Key, alias string) (token.Object, error) {
	unlock, err := h.lock(ctx)
	if err != nil {
		return token.Object{}, err
	}
	defer unlock()
	var aliases []string
	if alias != "" {
		aliases = []string{alias}
	}
	l := &listing{account: h.account, now: h.token.now()}
	e := newEntry(made, aliases, l.now)
	if e == nil {
		return token.Object{}, &fault.Error{Kind: fault.Unsupported, Op: "pkcs11.Create", Resource: made.ID, Public: "PKCS #11 has no use for the key that was made"}
	}
	if err := l.complete(ctx, e, nil); err != nil {
		return token.Object{}, failure("pkcs11.PublicKey", err)
	}
	h.keys[e.id] = e
	if !slices.Contains(h.order, e.id) {
		h.order = append(slices.Clone(h.order), e.id)
	}
	h.adopt(e)
	h.changed(ctx)
	return e.object(h.account), nil
}

// adopt takes certificates that were there before the key.
func (a *account) adopt(e *entry) {
	a.written = slices.DeleteFunc(slices.Clone(a.written), func(c *certificate) bool {
		return slices.ContainsFunc(e.certificates, func(own *certificate) bool { return own.fingerprint == c.fingerprint })
	})
}

// AddCertificate implements token.Maker. One that an authority here has
// issued for a key of the token is there already; any other is registered in
// the inventory.
func (h *holder) AddCertificate(ctx context.Context, b *token.Blueprint, der []byte) (token.Object, error) {
	if _, err := x509.ParseCertificate(der); err != nil {
		return token.Object{}, &fault.Error{
			Kind: fault.InvalidArgument, Reason: fault.MalformedCertificate, Op: "pkcs11.AddCertificate", Public: "the certificate cannot be read", Err: err,
		}
	}
	unlock, err := h.lock(ctx)
	if err != nil {
		return token.Object{}, err
	}
	defer unlock()
	done, err := h.client.Register(ctx, "pkcs11", []client.Sighting{{Data: der, Address: placeOf(b.Label, b.CKAID)}})
	if err != nil {
		return token.Object{}, failure("pkcs11.AddCertificate", err)
	}
	var c *certificate
	if len(done.Items) == 1 {
		c = newCertificate(&done.Items[0])
	}
	if c == nil {
		return token.Object{}, &fault.Error{Kind: fault.Internal, Op: "pkcs11.AddCertificate", Err: errors.New("the server does not answer with the certificate")}
	}
	if h.seen.Load() == nil { // whose key it is has to be known
		if err := h.ask(ctx); err != nil {
			return token.Object{}, err
		}
	}
	e := h.owner(c)
	h.replace(ctx, e, c, c)
	if e == nil {
		return c.object(), nil
	}
	o := e.object(h.account)
	return c.of(&o), nil
}

// owner returns the key that a certificate is for, or nil.
func (a *account) owner(c *certificate) *entry {
	for _, e := range a.keys {
		if e != nil && e.shown && e.public != nil && hashOf(e.public) == c.keyHash {
			return e
		}
	}
	return nil
}

// same reports whether it is the same certificate.
func (c *certificate) same(o *certificate) bool { return o.fingerprint == c.fingerprint }
