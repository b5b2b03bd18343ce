package azurekvtest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/hex"
	"errors"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"

	"github.com/holdfast-kms/holdfast/internal/wire/azure"
)

// object is what the vault has under a name.
type object struct {
	name     string
	versions []*version // the last one is current
	deleted  time.Time
	settling int // for how many looks the object is neither here nor there
}

// version is one key.
type version struct {
	id      string
	kty     azure.KeyType
	ops     []azure.KeyOperation
	private halves // *rsa.PrivateKey, *ecdsa.PrivateKey or k256; nil of a symmetric key
	secret  []byte
	enabled bool
	attrs   azure.Attributes
	tags    map[string]string
	managed bool
}

// halves are of one key pair.
type halves interface{ Public() crypto.PublicKey }

// k256 gives a secp256k1 key the method that the standard library's keys have.
type k256 struct{ *secp256k1.PrivateKey }

func (k k256) Public() crypto.PublicKey { return k.PubKey() }

// newVersion makes a key of what a request asks for.
func (s *Server) newVersion(c azure.CreateKey) (*version, error) {
	v := &version{kty: c.Type, ops: c.Ops, tags: c.Tags}
	var err error
	switch c.Type.Software() {
	case azure.RSA:
		bits := c.Size
		if bits == 0 {
			bits = 2048
		}
		if bits != 2048 && bits != 3072 && bits != 4096 {
			return nil, errors.New("the key size is not supported")
		}
		v.private, err = s.newRSA(bits)
	case azure.EC:
		v.private, err = newEC(c.Curve)
	case azure.Oct:
		if c.Type != azure.OctHSM || c.Size != 128 && c.Size != 192 && c.Size != 256 {
			return nil, errors.New("the key type or size is not supported")
		}
		v.secret = make([]byte, c.Size/8)
		_, _ = rand.Read(v.secret) // never fails
	default:
		return nil, errors.New("the key type is not supported")
	}
	return v, err
}

// newRSA returns an RSA key: one that was purged, or a new one. Making one takes
// as long as all else that a test does.
func (s *Server) newRSA(bits int) (*rsa.PrivateKey, error) {
	s.mu.Lock()
	i := slices.IndexFunc(s.purged, func(k *rsa.PrivateKey) bool { return k.N.BitLen() == bits })
	if i >= 0 {
		k := s.purged[i]
		s.purged = slices.Delete(s.purged, i, i+1)
		s.mu.Unlock()
		return k, nil
	}
	s.mu.Unlock()
	return rsa.GenerateKey(rand.Reader, bits)
}

// spare keeps the RSA keys of an object that was purged. The server's lock is
// held.
func (s *Server) spare(o *object) {
	for _, v := range o.versions {
		if k, ok := v.private.(*rsa.PrivateKey); ok {
			s.purged = append(s.purged, k)
		}
	}
}

// Inherit gives the server the RSA keys that were purged from another one.
func (s *Server) Inherit(from *Server) {
	from.mu.Lock()
	keys := from.purged
	from.purged = nil
	from.mu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.purged = append(s.purged, keys...)
}

func newEC(curve azure.CurveName) (halves, error) {
	switch curve {
	case azure.P256K:
		k, err := secp256k1.GeneratePrivateKey()
		return k256{k}, err
	case azure.P384:
		return ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	case azure.P521:
		return ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	case azure.P256, "":
		return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	}
	return nil, errors.New("the curve is not supported")
}

// takenVersion makes a key of what is imported.
func (s *Server) takenVersion(c azure.ImportKey) (*version, error) {
	v := &version{kty: c.Key.Type, ops: c.Key.Ops, tags: c.Tags}
	if (c.HSM != nil && *c.HSM || s.managed) && !v.kty.InHSM() {
		v.kty += "-HSM"
	}
	if v.kty.Software() == azure.Oct {
		if n := len(c.Key.K); v.kty != azure.OctHSM || n != 16 && n != 24 && n != 32 {
			return nil, errors.New("the key type or size is not supported")
		}
		v.secret = slices.Clone(c.Key.K)
		return v, nil
	}
	private, err := c.Key.Private()
	switch k := private.(type) {
	case *rsa.PrivateKey:
		v.private = k
	case *ecdsa.PrivateKey:
		v.private = k
	case *secp256k1.PrivateKey:
		v.private = k256{k}
	}
	return v, err
}

// admit checks what is asked of a new key, and completes it.
func (s *Server) admit(v *version, a *azure.Attributes) error {
	if s.managed && !v.kty.InHSM() {
		return errors.New("a managed HSM has keys in hardware only")
	}
	if !s.managed && v.kty.Software() == azure.Oct {
		return errors.New("symmetric keys are those of a managed HSM")
	}
	if len(v.ops) == 0 {
		v.ops = []azure.KeyOperation{azure.Encrypt, azure.Decrypt, azure.Sign, azure.Verify, azure.WrapKey, azure.UnwrapKey}
		if v.kty.Software() == azure.EC {
			v.ops = []azure.KeyOperation{azure.Sign, azure.Verify}
		}
	}
	id := make([]byte, 16)
	_, _ = rand.Read(id) // never fails
	v.id, v.enabled = hex.EncodeToString(id), true
	now := time.Now().Unix()
	v.attrs = azure.Attributes{Created: now, Updated: now, RecoveryLevel: "Recoverable+Purgeable", RecoverableDays: 90}
	v.change(a)
	return nil
}

// change changes the attributes that are given.
func (v *version) change(a *azure.Attributes) {
	if a == nil {
		return
	}
	if a.Enabled != nil {
		v.enabled = *a.Enabled
	}
	if a.NotBefore != 0 {
		v.attrs.NotBefore = a.NotBefore
	}
	if a.Expires != 0 {
		v.attrs.Expires = a.Expires
	}
	v.attrs.Updated = time.Now().Unix()
}

func (v *version) attributes() *azure.Attributes {
	a, enabled := v.attrs, v.enabled
	a.Enabled = &enabled
	return &a
}

// bundle returns a version as the service shows it.
func (s *Server) bundle(r *http.Request, o *object, v *version) azure.KeyBundle {
	k := &azure.JSONWebKey{Type: v.kty}
	if v.private != nil {
		var err error
		if k, err = azure.NewJSONWebKey(v.private.Public(), v.kty.InHSM()); err != nil {
			panic("azurekvtest: " + err.Error()) // a key that the server made
		}
	}
	k.KID, k.Ops = s.kid(r, o, v), v.ops
	b := azure.KeyBundle{Key: k, Attributes: v.attributes(), Tags: maps.Clone(v.tags), Managed: v.managed}
	if !o.deleted.IsZero() {
		b.RecoveryID = "https://" + r.Host + "/deletedkeys/" + o.name
		b.DeletedDate, b.ScheduledPurgeDate = o.deleted.Unix(), o.deleted.AddDate(0, 0, 90).Unix()
	}
	return b
}

// kid returns the name of a version, or of another key's where that was ordered.
// The server's lock is held.
func (s *Server) kid(r *http.Request, o *object, v *version) string {
	id := azure.Identifier{Host: r.Host, Collection: azure.Keys, Name: o.name, Version: v.id}
	if s.confuse > 0 {
		s.confuse--
		id.Name = "another-key"
	}
	return id.String()
}

// AddKey puts a key into the vault as its owner would, and returns its URL with
// the version. A key that is there gets another version.
func (s *Server) AddKey(tb testing.TB, name string, c azure.CreateKey) string {
	tb.Helper()
	v, err := s.newVersion(c)
	if err == nil {
		err = s.admit(v, c.Attributes)
	}
	if err != nil {
		tb.Fatalf("azurekvtest: adding key %s: %v", name, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.put(name, v)
	return s.URL() + "/keys/" + name + "/" + v.id
}

// RemoveKey purges a key as its owner would.
func (s *Server) RemoveKey(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if o := s.objects[strings.ToLower(name)]; o != nil {
		s.spare(o)
		delete(s.objects, strings.ToLower(name))
	}
}

// put adds a version. The server's lock is held.
func (s *Server) put(name string, v *version) *object {
	o := s.objects[strings.ToLower(name)]
	if o == nil {
		o = &object{name: name}
		s.objects[strings.ToLower(name)] = o
	}
	o.versions = append(o.versions, v)
	return o
}

// find returns a version that is not deleted, the current one for no name. The
// server's lock is held.
func (s *Server) find(name, id string) (*object, *version) {
	o := s.objects[strings.ToLower(name)]
	if o == nil || !o.deleted.IsZero() {
		return nil, nil
	}
	if id == "" {
		return o, o.versions[len(o.versions)-1]
	}
	for _, v := range o.versions {
		if v.id == id {
			return o, v
		}
	}
	return nil, nil
}
