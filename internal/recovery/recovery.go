// Package recovery makes and opens recovery packages: the root key of an
// installation for the day when its seal is lost, encrypted so that any m of n
// RSA private keys give it back and fewer do not. A cloud's HSM service calls
// such a file a security domain, and this one has its shape.
//
// Create makes a package for certificates, Parse reads one, Restore opens it.
// format.go has the format, which is versioned and stays readable.
package recovery

import (
	"bytes"
	"cmp"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/seal"
	"github.com/holdfast-kms/holdfast/internal/split"
)

// Bounds of a package: how many certificates it can be for, and how long their
// RSA keys are at least, in bits.
const (
	MinCertificates = 3
	MaxCertificates = 10
	MinBits         = 2048
)

// Create makes a package that holds the root key, for certificates any quorum
// of whose keys open it. now is the time of the certificates' validity.
func Create(key *seal.RootKey, certificates []*x509.Certificate, quorum int, now time.Time) (*Package, error) {
	if err := checkCertificates(certificates, quorum, now); err != nil {
		return nil, err
	}
	p := &Package{
		V: formatVersion, ID: newID(), Installation: key.Installation(), RootKey: key.ID(), CreatedAt: now.UTC().Truncate(time.Second),
	}
	set, shares, secret, err := split.New(p.ID, quorum, len(certificates))
	if err != nil {
		return nil, err
	}
	defer clear(secret)
	p.SharedKeys = SharedKeys{Algorithm: shareAlgorithm, Required: quorum, Set: *set}
	for i, c := range certificates {
		wrapped, err := wrapShare(&shares[i], c)
		shares[i].Clear()
		if err != nil {
			return nil, err
		}
		p.SharedKeys.Shares = append(p.SharedKeys.Shares, *wrapped)
	}
	if err := p.encrypt(secret, key); err != nil {
		return nil, err
	}
	return p, nil
}

func newID() string {
	b := make([]byte, 16)
	_, _ = rand.Read(b) // never fails (crypto/rand.Read)
	return hex.EncodeToString(b)
}

// checkCertificates refuses certificates that a package cannot be made for.
func checkCertificates(certificates []*x509.Certificate, quorum int, now time.Time) error {
	n := len(certificates)
	if n < MinCertificates || n > MaxCertificates {
		return fault.New(fault.InvalidArgument, "a recovery package is for %d to %d certificates, not %d", MinCertificates, MaxCertificates, n)
	}
	if quorum < split.MinThreshold || quorum > n {
		return fault.New(fault.InvalidArgument, "a quorum of %d of %d certificates cannot be: it is at least %d and at most all",
			quorum, n, split.MinThreshold)
	}
	for i, c := range certificates {
		name := c.Subject.String()
		public, ok := c.PublicKey.(*rsa.PublicKey)
		switch {
		case !ok:
			return fault.New(fault.InvalidArgument, "the certificate of %s has a key of the kind %s: only RSA wraps shares", name, c.PublicKeyAlgorithm)
		case public.N.BitLen() < MinBits:
			return fault.New(fault.InvalidArgument, "the certificate of %s has an RSA key of %d bits: at least %d are needed",
				name, public.N.BitLen(), MinBits)
		case now.Before(c.NotBefore) || now.After(c.NotAfter):
			return fault.New(fault.InvalidArgument, "the certificate of %s is not valid now: it is from %s to %s",
				name, c.NotBefore.Format(time.DateOnly), c.NotAfter.Format(time.DateOnly))
		}
		for _, other := range certificates[:i] {
			if public.Equal(other.PublicKey) {
				return fault.New(fault.InvalidArgument, "the certificates of %s and %s have the same key: whoever has it would count twice",
					other.Subject, name)
			}
		}
	}
	return nil
}

// wrapShare encrypts a share to a certificate's key.
func wrapShare(share *split.Share, c *x509.Certificate) (*Share, error) {
	text := share.Text()
	defer clear(text)
	thumbprint := sha256.Sum256(c.Raw)
	x5t := base64.RawURLEncoding.EncodeToString(thumbprint[:])
	jwe, err := encrypt(jose.Recipient{Algorithm: jose.RSA_OAEP_256, Key: c.PublicKey, KeyID: x5t}, text)
	if err != nil {
		return nil, fmt.Errorf("encrypting a share to %s: %w", c.Subject, err)
	}
	return &Share{Key: jwe, Thumbprint: x5t, Subject: c.Subject.String()}, nil
}

// encrypt returns a compact JWE (RFC 7516) with the content encryption that
// all of a package's have.
func encrypt(to jose.Recipient, plaintext []byte) (string, error) {
	e, err := jose.NewEncrypter(jose.A256CBC_HS512, to, nil)
	if err != nil {
		return "", err
	}
	jwe, err := e.Encrypt(plaintext)
	if err != nil {
		return "", err
	}
	return jwe.CompactSerialize()
}

// content is what a package holds, as JSON in its JWE: the root key, and all
// else in the package but the JWEs themselves, so that none of it can be
// changed unseen.
type content struct {
	V      int    `json:"v"`
	Header []byte `json:"header"` // SHA-256 of Package.header
	Root   []byte `json:"root"`
}

// encrypt puts the root key into the package, under the shares' secret.
func (p *Package) encrypt(secret []byte, key *seal.RootKey) error {
	sum, err := p.header()
	if err != nil {
		return err
	}
	text, err := json.Marshal(content{V: formatVersion, Header: sum, Root: key.Reveal()})
	if err != nil {
		return err
	}
	defer clear(text)
	derived := counterKDF(secret, rootTag)
	defer clear(derived)
	jwe, err := encrypt(jose.Recipient{Algorithm: jose.DIRECT, Key: derived, KeyID: rootTag}, text)
	if err != nil {
		return fmt.Errorf("encrypting the root key: %w", err)
	}
	p.Data = Data{KDF: kdfName, Data: []Datum{{JWE: jwe, Tag: rootTag}}}
	return nil
}

// header returns the digest of what the content vouches for: the package
// without its data.
func (p *Package) header() ([]byte, error) {
	rest := *p
	rest.Data = Data{}
	text, err := json.Marshal(&rest)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(text)
	return sum[:], nil
}

// Restore returns the root key that a package holds. Each of the private keys
// opens the share that was made for it; one that opens none is an
// Unauthenticated error, too few are InvalidArgument, and a package that was
// changed is BadCiphertext.
func Restore(p *Package, keys []*rsa.PrivateKey) (*seal.RootKey, error) {
	if err := p.Validate(); err != nil {
		return nil, err
	}
	var shares []split.Share
	defer func() {
		for i := range shares {
			shares[i].Clear()
		}
	}()
	for i, k := range keys {
		share, err := p.share(k)
		if err != nil {
			return nil, fmt.Errorf("key %d of %d: %w", i+1, len(keys), err)
		}
		if slices.ContainsFunc(shares, func(s split.Share) bool { return s.Number() == share.Number() }) {
			return nil, fault.New(fault.InvalidArgument, "key %d of %d opens the same share as another one", i+1, len(keys))
		}
		shares = append(shares, *share)
	}
	if len(shares) < p.SharedKeys.Required {
		return nil, fault.New(fault.InvalidArgument, "%d private keys are not enough: %d of the %d certificates' keys are needed",
			len(shares), p.SharedKeys.Required, len(p.SharedKeys.Shares))
	}
	secret, err := p.SharedKeys.Set.Key(p.ID, shares)
	if err != nil {
		return nil, changed(err)
	}
	defer clear(secret)
	return p.decrypt(secret)
}

// changed is the error for a package that is not as it was made.
func changed(why error) error {
	return &fault.Error{Kind: fault.BadCiphertext, Public: "the recovery package was changed since it was made", Err: why}
}

// share returns the share that a private key opens.
func (p *Package) share(k *rsa.PrivateKey) (*split.Share, error) {
	for i := range p.SharedKeys.Shares {
		jwe, err := jose.ParseEncryptedCompact(p.SharedKeys.Shares[i].Key, []jose.KeyAlgorithm{jose.RSA_OAEP_256}, contentEncryption())
		if err != nil {
			return nil, changed(err)
		}
		text, err := jwe.Decrypt(k)
		if err != nil {
			continue // it is of another certificate, or was changed: neither can be told from the other
		}
		share, err := split.Parse(text)
		clear(text)
		if err == nil {
			err = p.SharedKeys.Set.Check(p.ID, share)
		}
		if err != nil {
			return nil, changed(err)
		}
		return share, nil
	}
	return nil, fault.New(fault.Unauthenticated, "it opens no share of this package: it is not of one of its certificates, or the package was changed")
}

func contentEncryption() []jose.ContentEncryption {
	return []jose.ContentEncryption{jose.A256CBC_HS512}
}

// decrypt returns the root key, once everything else in the package is what it
// was when it was made.
func (p *Package) decrypt(secret []byte) (*seal.RootKey, error) {
	jwe, err := jose.ParseEncryptedCompact(p.Data.Data[0].JWE, []jose.KeyAlgorithm{jose.DIRECT}, contentEncryption())
	if err != nil {
		return nil, changed(err)
	}
	derived := counterKDF(secret, rootTag)
	defer clear(derived)
	text, err := jwe.Decrypt(derived)
	if err != nil {
		return nil, changed(err)
	}
	defer clear(text)
	var c content
	if err := json.Unmarshal(text, &c); err != nil {
		return nil, changed(err)
	}
	sum, err := p.header()
	if err != nil {
		return nil, err
	}
	if c.V != formatVersion || !bytes.Equal(c.Header, sum) {
		clear(c.Root)
		return nil, changed(nil)
	}
	key, err := seal.NewRootKey(p.Installation, c.Root)
	if err == nil && key.ID() != p.RootKey {
		err = fault.New(fault.InvalidArgument, "it holds the root key %s, and names %s", key.ID(), p.RootKey)
	}
	if err != nil {
		return nil, changed(err)
	}
	return key, nil
}

// Matches returns an error unless the package holds the root key of the seal:
// a package of before a replacement of the root key does not open the store.
func (p *Package) Matches(s *seal.Status) error {
	if p.Installation != s.Installation {
		return fault.New(fault.WrongState, "the package is of installation %s, the data directory of %s", p.Installation, s.Installation)
	}
	newest := slices.MaxFunc(s.Ways, func(a, b seal.WayStatus) int { return cmp.Compare(a.CreatedAt.UnixNano(), b.CreatedAt.UnixNano()) })
	if !slices.Contains(newest.RootKeys, p.RootKey) {
		return fault.New(fault.WrongState, "the package holds the root key %s, which was replaced by %s: make a new package",
			p.RootKey, newest.RootKeys[len(newest.RootKeys)-1])
	}
	return nil
}
