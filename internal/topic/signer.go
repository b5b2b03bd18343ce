package topic

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1" //nolint:gosec // version 1 of the signatures is RSA with SHA-1: receivers of ten years ago know no other
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"errors"
	"fmt"
	"math/big"
	"strconv"
	"sync"
	"time"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/kms"
	"github.com/holdfast-kms/holdfast/internal/store"
)

// signerPrefix begins the ids of the rows of signers in store.Topics, after
// which comes the certificate's id, and their scopes, after which come realm,
// region and version.
const signerPrefix = "signer/"

// signerRecord is the JSON body of such a row.
type signerRecord struct {
	V           int    `json:"v"`
	Key         key.ID `json:"key"`
	Certificate []byte `json:"certificate"`
}

// signerID is whose signatures a signer makes, and of which version.
type signerID struct {
	realm   key.RealmID
	region  string
	version int
}

func (id signerID) scope() string {
	return signerPrefix + string(id.realm) + "/" + id.region + "/" + strconv.Itoa(id.version)
}

// signer signs the messages of the topics of a realm in a region. The key of
// version 2 stays where it was made. That of version 1 cannot: the door makes
// no signatures with SHA-1, so this key, and no other, is exportable and is used
// here.
type signer struct {
	key         key.ID
	certificate string
	notAfter    time.Time
	private     *rsa.PrivateKey // of version 1; nil until it is used
}

// signers are those that have been used.
type signers struct {
	mu    sync.Mutex // guards ready, and is held while a signer is made
	ready map[signerID]*signer
}

const (
	// signerLife is how long a signer's certificate is valid, and signerRest how
	// long it is at least while it is used.
	signerLife = 5 * 365 * 24 * time.Hour
	signerRest = 90 * 24 * time.Hour
	serialBits = 128
)

// sign gives a message its signature, if messages of the protocol have one.
func (s *Service) sign(ctx context.Context, call *key.Call, t *Topic, p Protocol, m *Message) error {
	m.Signature, m.Certificate, m.Version = nil, "", 0
	if !p.signed() {
		return nil
	}
	id := signerID{t.Resource.Realm, t.Resource.Region, t.Signature}
	own := serviceCall(call, &id, s.Principal)
	sg, err := s.signer(ctx, own, id)
	if err != nil {
		return fmt.Errorf("finding the key that signs messages: %w", err)
	}
	canonical := s.Form.Canonical(m)
	m.Version, m.Certificate = id.version, sg.certificate
	if id.version == 1 {
		sum := sha1.Sum(canonical) //nolint:gosec // see the import
		m.Signature, err = rsa.SignPKCS1v15(rand.Reader, sg.private, crypto.SHA1, sum[:])
		return err
	}
	sum := sha256.Sum256(canonical)
	delegated, err := s.Keys.DelegatedSigner(ctx, own, s.Principal, sg.key, alg.PKCS1SHA256)
	if err != nil {
		return err
	}
	m.Signature, err = delegated.Sign(rand.Reader, sum[:], crypto.SHA256)
	return err
}

// serviceCall returns the envelope of what is done with signers: within a call,
// and in the topic's realm, whoever's call it is.
func serviceCall(call *key.Call, id *signerID, service string) *key.Call {
	own := innerCall(call, call.Operation)
	own.Caller = key.Caller{Principal: key.Principal{Realm: id.realm, Kind: key.Service, Name: service}, Method: "internal"}
	own.Region, own.DryRun = id.region, false
	return own
}

// signer returns the signer, which is made when there is none.
func (s *Service) signer(ctx context.Context, call *key.Call, id signerID) (*signer, error) {
	s.signers.mu.Lock()
	defer s.signers.mu.Unlock()
	if sg := s.signers.ready[id]; sg != nil && s.fresh(sg) {
		return sg, nil
	}
	sg, err := s.storedSigner(ctx, id)
	if err == nil && sg == nil {
		sg, err = s.newSigner(ctx, call, id)
	}
	if err != nil {
		return nil, err
	}
	if id.version == 1 && sg.private == nil {
		if sg.private, err = s.exported(ctx, call, sg.key); err != nil {
			return nil, err
		}
	}
	s.signers.ready[id] = sg
	return sg, nil
}

func (s *Service) fresh(sg *signer) bool { return s.Now().Add(signerRest).Before(sg.notAfter) }

// storedSigner returns the stored signer that lasts longest, nil for none.
func (s *Service) storedSigner(ctx context.Context, id signerID) (*signer, error) {
	list, err := rows(ctx, s.Store, store.Topics, store.Query{Column: "scope", Equal: id.scope()}, readSigner)
	var best *signer
	for _, sg := range list {
		if s.fresh(sg) && (best == nil || sg.notAfter.After(best.notAfter)) {
			best = sg
		}
	}
	return best, err
}

func readSigner(row store.Row) (*signer, error) {
	var r signerRecord
	if err := decode(row, &r, &r.V); err != nil {
		return nil, err
	}
	c, err := x509.ParseCertificate(r.Certificate)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", row.ID, err)
	}
	return &signer{key: r.Key, certificate: row.ID[len(signerPrefix):], notAfter: c.NotAfter}, nil
}

// newSigner makes a key and its certificate, which vouches for itself: who
// verifies trusts the address that it is fetched from.
func (s *Service) newSigner(ctx context.Context, call *key.Call, id signerID) (*signer, error) {
	k, err := s.Keys.Entrust(ctx, call, s.Principal, &kms.ImportKeyRequest{CreateKeyRequest: kms.CreateKeyRequest{
		Spec: alg.RSA2048, Usage: alg.SignVerify, Exportable: id.version == 1,
		Description: "signs messages of topics, version " + strconv.Itoa(id.version),
	}})
	if err != nil {
		return nil, err
	}
	by, err := s.Keys.DelegatedSigner(ctx, call, s.Principal, k.Name.ID, alg.PKCS1SHA256)
	if err != nil {
		return nil, err
	}
	now := s.Now().UTC().Truncate(time.Second)
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), serialBits))
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: s.Principal}, NotBefore: now.Add(-time.Hour), NotAfter: now.Add(signerLife),
		KeyUsage: x509.KeyUsageDigitalSignature, BasicConstraintsValid: true, SignatureAlgorithm: x509.SHA256WithRSA,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, by.Public(), by)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(der)
	sg := &signer{key: k.Name.ID, certificate: hex.EncodeToString(sum[:16]), notAfter: template.NotAfter}
	row, err := encode(store.Row{ID: signerPrefix + sg.certificate, Columns: []string{id.scope()}}, signerRecord{recordVersion, sg.key, der})
	if err != nil {
		return nil, err
	}
	return sg, s.Store.Update(ctx, func(tx store.Tx) error { return tx.Insert(store.Topics, row) })
}

// exported returns the private key of version 1.
func (s *Service) exported(ctx context.Context, call *key.Call, id key.ID) (*rsa.PrivateKey, error) {
	e, err := s.Keys.ExportEntrusted(ctx, call, s.Principal, id)
	if err != nil {
		return nil, err
	}
	der := e.Material.Reveal()
	defer clear(der)
	parsed, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, errors.New("the key that signs messages is no PKCS #8")
	}
	private, ok := parsed.(*rsa.PrivateKey)
	if !ok {
		return nil, errors.New("the key that signs messages is no RSA key")
	}
	return private, nil
}

// Certificate returns the certificate with an id, in DER. It is public, and who
// asks is neither authorised nor recorded.
func (s *Service) Certificate(ctx context.Context, id string) ([]byte, error) {
	var r signerRecord
	err := s.Store.View(ctx, func(reader store.Reader) error {
		row, err := reader.Get(store.Topics, signerPrefix+id)
		if err != nil {
			return err
		}
		return decode(row, &r, &r.V)
	})
	if err != nil && fault.KindOf(err) == fault.NotFound {
		return nil, fault.New(fault.NotFound, "there is no such certificate")
	}
	return r.Certificate, err
}
