package remote

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/holdfast-kms/holdfast/client"
	"github.com/holdfast-kms/holdfast/internal/cryptoki/token"
)

// placeMark begins the addresses at which the inventory says that applications
// keep a certificate in a token. The label, percent-encoded, and CKA_ID in
// hexadecimal follow, divided by "/".
const placeMark = "pkcs11/"

// certificate is a certificate of the inventory.
type certificate struct {
	id, fingerprint string
	der             []byte
	keyHash         string // SHA-256 of the public key in hex
	issued          bool   // by an authority here
	selfSigned      bool
	notBefore       time.Time
	// written says that an application wrote it into a token, with this label and
	// CKA_ID.
	written bool
	label   string
	ckaID   []byte
}

// newCertificate reads an item of the inventory, nil of one that cannot be read.
func newCertificate(i *client.InventoryItem) *certificate {
	block, _ := pem.Decode([]byte(i.Certificate))
	if block == nil {
		return nil
	}
	parsed, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil
	}
	c := &certificate{
		id: i.ID, fingerprint: i.Fingerprint, der: block.Bytes, keyHash: hashOf(parsed.RawSubjectPublicKeyInfo), issued: i.Origin == originIssued,
		selfSigned: bytes.Equal(parsed.RawSubject, parsed.RawIssuer), notBefore: parsed.NotBefore, label: parsed.Subject.CommonName,
	}
	for _, p := range i.Places {
		if rest, ok := strings.CutPrefix(p.Address, placeMark); ok {
			c.written = true
			c.label, c.ckaID = parsePlace(rest)
		}
	}
	return c
}

// hashOf is how the inventory names a public key.
func hashOf(spki []byte) string {
	sum := sha256.Sum256(spki)
	return hex.EncodeToString(sum[:])
}

// The words of the API that are read here.
const (
	originIssued    = "issued"
	originForeign   = "foreign"
	originGenerated = "generated"
	stateValid      = "valid"
)

func placeOf(label string, id []byte) string {
	return placeMark + url.QueryEscape(label) + "/" + hex.EncodeToString(id)
}

func parsePlace(rest string) (label string, id []byte) {
	name, digits, _ := strings.Cut(rest, "/")
	label, err := url.QueryUnescape(name)
	if err != nil {
		label = name
	}
	return label, parseID(digits)
}

// object is a certificate that no key of the token has.
func (c *certificate) object() token.Object {
	return token.Object{ID: c.id, Kind: token.Certificate, Label: c.label, CKAID: c.ckaID, Certificate: c.der}
}

// of is the certificate of a key: what an application did not call otherwise has
// the key's names, so that they pair.
func (c *certificate) of(key *token.Object) token.Object {
	o := c.object()
	if !c.written || c.label == "" {
		o.Label = key.Label
	}
	if len(c.ckaID) == 0 {
		o.CKAID = key.CKAID
	}
	return o
}

// renamed is the certificate as an application calls it from now on.
func (c *certificate) renamed(label string, id []byte) *certificate {
	own := *c
	own.written, own.label, own.ckaID = true, label, slices.Clone(id)
	return &own
}

// certificates returns those of a public key that are shown: what applications
// wrote, and of the others the best one, or all.
func (a *account) certificates(ctx context.Context, public []byte) ([]*certificate, error) {
	found, err := a.search(ctx, client.InventoryFilter{Key: hashOf(public), State: stateValid})
	if err != nil {
		return nil, err
	}
	return a.token.pick(found), nil
}

// pick leaves out certificates that there are twice, and those that are not
// shown.
func (t *Token) pick(found []*certificate) []*certificate {
	slices.SortStableFunc(found, func(x, y *certificate) int {
		switch {
		case x.better(y):
			return -1
		case y.better(x):
			return 1
		}
		return strings.Compare(x.id, y.id)
	})
	var list []*certificate
	other := false
	for _, c := range found {
		again := slices.ContainsFunc(list, func(o *certificate) bool { return o.fingerprint == c.fingerprint })
		if again || !c.written && other && !t.config.AllCertificates {
			continue
		}
		other = other || !c.written
		list = append(list, c)
	}
	return list
}

// better reports whether an application is better served by one certificate of
// a key than by another: by an authority's than by the key's own, by a newer one
// than by an older one, by one of an authority here.
func (c *certificate) better(than *certificate) bool {
	switch {
	case c.selfSigned != than.selfSigned:
		return than.selfSigned
	case !c.notBefore.Equal(than.notBefore):
		return c.notBefore.After(than.notBefore)
	}
	return c.issued && !than.issued
}

// maxCertificates is how many certificates one search looks at.
const maxCertificates = 1000

// search returns certificates of the inventory; none where the credential may
// not see it, which is logged once.
func (a *account) search(ctx context.Context, f client.InventoryFilter) ([]*certificate, error) {
	if a.blind.Load() {
		return nil, nil
	}
	var found []*certificate
	err := pages(func(p client.Page) (string, error) {
		list, err := a.client.Inventory(ctx, f, p)
		if err != nil {
			return "", err
		}
		for i := range list.Items {
			if c := newCertificate(&list.Items[i]); c != nil {
				found = append(found, c)
			}
		}
		if len(found) >= maxCertificates {
			return "", nil
		}
		return list.Next, nil
	})
	if client.KindOf(err) != client.PermissionDenied {
		return found, err
	}
	if !a.blind.Swap(true) {
		a.token.log.WarnContext(ctx, "the token shows no certificates: the credential may not list the inventory (holdfast:ListCertificates)")
	}
	return nil, nil
}

// readWritten asks for the certificates that applications wrote and that no key
// of the token has, such as those of authorities.
func (l *listing) readWritten(ctx context.Context) error {
	found, err := l.search(ctx, client.InventoryFilter{Origin: originForeign, Place: placeMark, State: stateValid})
	if err != nil {
		return err
	}
	ofKeys := map[string]bool{}
	for _, e := range l.keys {
		for _, c := range e.certificates {
			ofKeys[c.fingerprint] = true
		}
	}
	l.written = slices.DeleteFunc(found, func(c *certificate) bool { return ofKeys[c.fingerprint] })
	return nil
}
