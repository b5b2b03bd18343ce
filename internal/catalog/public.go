package catalog

import (
	"bytes"
	"crypto/sha1" //nolint:gosec // a name, not a protection (RFC 5280 section 4.2.1.2)
	"crypto/sha256"
	encoding "encoding/asn1"
	"math/big"
	"slices"
	"strings"
	"sync"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"

	"github.com/holdfast-kms/holdfast/internal/key"
)

// PublicName names a key by its public half, as whoever has a certificate and
// not the key does. One of the fields is set.
type PublicName struct {
	// SKI is the SHA-1 of the bit string in the SubjectPublicKeyInfo (RFC 5280
	// section 4.2.1.2, method 1).
	SKI [sha1.Size]byte
	// Modulus is the SHA-256 of an RSA modulus in upper-case hexadecimal, with no
	// leading zeros: what Keyless SSL calls a digest.
	Modulus [sha256.Size]byte
}

// publics finds keys by the public halves of their current versions, those that
// sign. It is read without a lock.
type publics struct {
	ids sync.Map // PublicName → *[]key.ID, which is never changed
}

// namesOf returns the names of a SubjectPublicKeyInfo: none of what is no such
// thing.
func namesOf(spki []byte) []PublicName {
	in := cryptobyte.String(spki)
	var info, algorithm, bits, public cryptobyte.String
	var kind encoding.ObjectIdentifier
	if !in.ReadASN1(&info, asn1.SEQUENCE) || !in.Empty() ||
		!info.ReadASN1(&algorithm, asn1.SEQUENCE) || !algorithm.ReadASN1ObjectIdentifier(&kind) ||
		!info.ReadASN1(&bits, asn1.BIT_STRING) || !info.Empty() || len(bits) < 2 || bits[0] != 0 {
		return nil
	}
	bits = bits[1:]
	names := []PublicName{{SKI: sha1.Sum(bits)}} //nolint:gosec // a name
	n := new(big.Int)
	if kind.Equal(encoding.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 1}) && // rsaEncryption (RFC 8017 appendix A.1)
		bits.ReadASN1(&public, asn1.SEQUENCE) && public.ReadASN1Integer(n) {
		names = append(names, PublicName{Modulus: sha256.Sum256([]byte(strings.ToUpper(n.Text(16))))})
	}
	return names
}

// currentPublic returns the public half of the current version, nil of a
// symmetric key and of one that has none yet.
func (e *Entry) currentPublic() []byte {
	if len(e.Key.Versions) == 0 {
		return nil
	}
	return e.Key.Current().Public
}

// replace says that a key has another public half. Its caller has locked the
// key, and may be at it for several keys at once.
func (p *publics) replace(id key.ID, old, now []byte) {
	if bytes.Equal(old, now) {
		return
	}
	for _, n := range namesOf(old) {
		p.change(n, func(ids []key.ID) []key.ID { return slices.DeleteFunc(ids, func(x key.ID) bool { return x == id }) })
	}
	for _, n := range namesOf(now) {
		p.change(n, func(ids []key.ID) []key.ID { return append(ids, id) })
	}
}

// change changes the keys of a name, of which edit gets a copy.
func (p *publics) change(n PublicName, edit func([]key.ID) []key.ID) {
	for {
		had, ok := p.ids.Load(n)
		var next []key.ID
		if ok {
			next = slices.Clone(*had.(*[]key.ID))
		}
		next = edit(next)
		switch {
		case !ok && len(next) == 0:
			return
		case !ok:
			if _, lost := p.ids.LoadOrStore(n, &next); !lost {
				return
			}
		case len(next) == 0:
			if p.ids.CompareAndDelete(n, had) {
				return
			}
		case p.ids.CompareAndSwap(n, had, &next):
			return
		}
	}
}

// ByPublic returns the key whose current version has a public half. Of several,
// it is one of the realm, of the region there, enabled, in this order, and the
// one with the least id of those. It takes no lock.
func (c *Catalog) ByPublic(n PublicName, realm key.RealmID, region string) (*Entry, bool) {
	list, ok := c.memory.publics.ids.Load(n)
	if !ok {
		return nil, false
	}
	var best *Entry
	most := -1
	for _, id := range *list.(*[]key.ID) {
		e, ok := c.memory.get(id)
		if !ok {
			continue // it went this moment
		}
		rank := 0
		for _, so := range []bool{e.Key.Name.Realm == realm, e.Key.Name.Region == region, e.Key.State == key.Enabled} {
			rank *= 2
			if so {
				rank++
			}
		}
		if rank > most || rank == most && id < best.Key.Name.ID {
			best, most = e, rank
		}
	}
	return best, best != nil
}
