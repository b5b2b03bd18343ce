package cluster

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"encoding/asn1"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/big"
	"slices"
	"strings"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/hsm"
	"github.com/holdfast-kms/holdfast/internal/pkcs11"
)

// Member is a token of a pool.
type Member struct {
	// Token is opened, and logged in to with the PIN of the configuration.
	Token *hsm.Token
	// PIN and OfficerPIN return the PINs that a token gets that was never
	// initialised; without OfficerPIN there are no such tokens.
	PIN, OfficerPIN func() ([]byte, error)
}

// Tokens is the pool of real tokens.
type Tokens struct {
	names   []string
	members map[string]Member
}

// NewTokens returns the pool of some tokens, which stay their owner's.
func NewTokens(members ...Member) *Tokens {
	p := &Tokens{members: map[string]Member{}}
	for _, m := range members {
		p.names = append(p.names, m.Token.Name())
		p.members[m.Token.Name()] = m
	}
	return p
}

// Names returns the tokens' names in their order. See Pool.
func (p *Tokens) Names() []string { return slices.Clone(p.names) }

func (p *Tokens) member(name string) (Member, error) {
	m, ok := p.members[name]
	if !ok {
		return Member{}, fault.New(fault.Unavailable, "the token %q is no longer in the pool", name)
	}
	return m, nil
}

// Look asks a token how it is. See Pool.
func (p *Tokens) Look(ctx context.Context, name string) (*Look, error) {
	m, err := p.member(name)
	if err != nil {
		return nil, err
	}
	alive := m.Token.Do(ctx, func(ctx context.Context, s *pkcs11.Session) error {
		_, err := s.Find(ctx, []pkcs11.Attribute{pkcs11.Text(pkcs11.AttrLabel, markPrefix)}, 1)
		return err
	})
	able, err := m.Token.Capabilities(ctx)
	if err != nil {
		return nil, err
	}
	blank := able.Token.Flags&pkcs11.TokenInitialized == 0 && m.OfficerPIN != nil
	if alive != nil && !blank {
		return nil, alive
	}
	return &Look{
		Label: able.Token.Label, Serial: able.Token.Serial, Manufacturer: able.Token.Manufacturer, Model: able.Token.Model, Blank: blank,
	}, nil
}

// Contents lists the keys in a token. See Pool.
func (p *Tokens) Contents(ctx context.Context, name string) (*Contents, error) {
	m, err := p.member(name)
	if err != nil {
		return nil, err
	}
	found, err := m.Token.Find(ctx, hsm.Query{})
	if err != nil {
		return nil, err
	}
	held := &Contents{}
	for _, o := range found {
		switch {
		case o.Class != pkcs11.ClassPrivateKey && o.Class != pkcs11.ClassPublicKey && o.Class != pkcs11.ClassSecretKey:
		case strings.HasPrefix(o.Label, markPrefix):
			if !slices.Contains(held.Marks, o.Label) {
				held.Marks = append(held.Marks, o.Label)
			}
		default:
			held.Objects = append(held.Objects, Object{
				Class: pkcs11.ClassName(o.Class), Type: pkcs11.TypeName(o.Type), Label: o.Label, ID: hex.EncodeToString(o.ID),
			})
		}
	}
	return held, nil
}

// Initialise initialises a token that never was. See Pool.
func (p *Tokens) Initialise(ctx context.Context, name, label string) error {
	m, err := p.member(name)
	if err != nil {
		return err
	}
	able, err := m.Token.Capabilities(ctx)
	if err != nil {
		return err
	}
	if able.Token.Flags&pkcs11.TokenInitialized != 0 || m.OfficerPIN == nil {
		return nil
	}
	if m.PIN == nil {
		return fault.New(fault.Unavailable, "the configuration has no PIN that the token %q could be given", name)
	}
	officer, err := m.OfficerPIN()
	if err != nil {
		return fmt.Errorf("reading the security officer's PIN of token %s: %w", name, err)
	}
	defer clear(officer)
	pin, err := m.PIN()
	if err != nil {
		return fmt.Errorf("reading the PIN of token %s: %w", name, err)
	}
	defer clear(pin)
	return m.Token.Initialise(ctx, label, officer, pin)
}

// p256 is the DER of the object identifier of P-256 (RFC 5480 section 2.1.1.1).
var p256 = []byte{0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07}

// address is where the key pair of a label is. Its id follows from the label.
func address(label string, class pkcs11.Class) hsm.Address {
	id := sha256.Sum256([]byte(label))
	return hsm.Address{ID: id[:16], Label: label, Class: class}
}

// Identify returns a signer for the P-256 key pair with the label, and makes
// the pair where there is none. See Pool.
func (p *Tokens) Identify(ctx context.Context, name, label string) (crypto.Signer, error) {
	m, err := p.member(name)
	if err != nil {
		return nil, err
	}
	public, err := readPublic(ctx, m.Token, label)
	if fault.KindOf(err) == fault.NotFound {
		if err := generate(ctx, m.Token, label); err != nil {
			return nil, err
		}
		public, err = readPublic(ctx, m.Token, label)
	}
	if err != nil {
		return nil, err
	}
	return &signer{ctx, m.Token, label, public}, nil //nolint:containedctx // a crypto.Signer takes none; the signer does not outlive the call
}

// Forget destroys the key pair with the label. See Pool.
func (p *Tokens) Forget(ctx context.Context, name, label string) error {
	m, err := p.member(name)
	if err != nil {
		return err
	}
	return errors.Join(
		m.Token.Destroy(ctx, address(label, pkcs11.ClassPrivateKey)), m.Token.Destroy(ctx, address(label, pkcs11.ClassPublicKey)))
}

// generate makes the key pair of a label in a token, which it never leaves.
func generate(ctx context.Context, t *hsm.Token, label string) error {
	able, err := t.Capabilities(ctx)
	if err != nil {
		return err
	}
	if !able.Fits(pkcs11.MechECKeyPairGen, pkcs11.CanGenerateKeyPair, 256) || !able.Has(pkcs11.MechECDSA, pkcs11.CanSign) {
		return fault.New(fault.Unsupported, "the token %q makes no P-256 keys, with one of which an HSM is marked", t.Name())
	}
	at := address(label, pkcs11.ClassPrivateKey)
	public := able.Template(
		pkcs11.Number(pkcs11.AttrClass, pkcs11.ClassPublicKey), pkcs11.Number(pkcs11.AttrKeyType, pkcs11.KeyEC),
		pkcs11.Bool(pkcs11.AttrToken, true), pkcs11.Bool(pkcs11.AttrPrivate, false), pkcs11.Bool(pkcs11.AttrVerify, true),
		pkcs11.Bytes(pkcs11.AttrECParams, p256), pkcs11.Text(pkcs11.AttrLabel, label), pkcs11.Bytes(pkcs11.AttrID, at.ID),
	)
	private := able.Template(
		pkcs11.Number(pkcs11.AttrClass, pkcs11.ClassPrivateKey), pkcs11.Number(pkcs11.AttrKeyType, pkcs11.KeyEC),
		pkcs11.Bool(pkcs11.AttrToken, true), pkcs11.Bool(pkcs11.AttrPrivate, true), pkcs11.Bool(pkcs11.AttrSensitive, true),
		pkcs11.Bool(pkcs11.AttrExtractable, false), pkcs11.Bool(pkcs11.AttrSign, true),
		pkcs11.Text(pkcs11.AttrLabel, label), pkcs11.Bytes(pkcs11.AttrID, at.ID),
	)
	return t.Do(ctx, func(ctx context.Context, s *pkcs11.Session) error {
		_, _, err := s.GenerateKeyPair(ctx, pkcs11.Mechanism{Type: pkcs11.MechECKeyPairGen}, public, private)
		return err
	})
}

// readPublic returns the public half of the key pair of a label.
func readPublic(ctx context.Context, t *hsm.Token, label string) (*ecdsa.PublicKey, error) {
	var point []byte
	err := t.Use(ctx, address(label, pkcs11.ClassPublicKey), func(ctx context.Context, s *pkcs11.Session, o pkcs11.Object) error {
		a, err := s.Attributes(ctx, o, pkcs11.AttrECPoint)
		if err != nil || len(a) != 1 {
			return fmt.Errorf("reading the public key %q: %w", label, err)
		}
		// The point is in an OCTET STRING (PKCS #11 2.40, 2.3.3); some tokens
		// leave that out.
		if rest, err := asn1.Unmarshal(a[0].Value, &point); err != nil || len(rest) > 0 {
			point = a[0].Value
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	public, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), point)
	if err != nil {
		return nil, fmt.Errorf("reading the public key %q of token %s: %w", label, t.Name(), err)
	}
	return public, nil
}

// signer signs with the key pair of a label.
type signer struct {
	ctx    context.Context //nolint:containedctx // see Identify
	token  *hsm.Token
	label  string
	public *ecdsa.PublicKey
}

// Public returns the public half.
func (s *signer) Public() crypto.PublicKey { return s.public }

// Sign signs a digest of SHA-256.
func (s *signer) Sign(_ io.Reader, digest []byte, _ crypto.SignerOpts) ([]byte, error) {
	raw, err := s.token.Sign(s.ctx, address(s.label, pkcs11.ClassPrivateKey), pkcs11.Mechanism{Type: pkcs11.MechECDSA}, digest)
	if err != nil {
		return nil, err
	}
	if len(raw) != 64 {
		return nil, fmt.Errorf("token %s: a signature of %d bytes", s.token.Name(), len(raw))
	}
	return asn1.Marshal(struct{ R, S *big.Int }{new(big.Int).SetBytes(raw[:32]), new(big.Int).SetBytes(raw[32:])})
}
