package status

import (
	"bytes"
	"crypto"
	"math/big"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/holdfast-kms/holdfast/internal/ca"
	"github.com/holdfast-kms/holdfast/internal/ocsp"
)

// issuers finds authorities by the hashes in a CertID. Strangers ask for
// authorities that do not exist: such a question costs a look into a map, and
// the map is made anew at most once in indexAge.
type issuers struct {
	all func() []*ca.Authority
	now func() time.Time

	index atomic.Pointer[issuerIndex]
	mu    sync.Mutex // held while index is made
}

// indexAge is how soon an authority that was made meanwhile is known to who
// asks at the address of all.
const indexAge = 100 * time.Millisecond

// issuerIndex is never changed.
type issuerIndex struct {
	made   time.Time
	byHash map[string][]*issuer
	byID   map[string]*issuer
}

// issuer is what tells an authority's certificates from others'. Two
// authorities may have the same name and key.
type issuer struct {
	id         string
	name, bits []byte
	hashes     []string // one for each of ocsp.Hashes
}

func newIssuer(a *ca.Authority) (*issuer, error) {
	own := a.X509()
	bits, err := ocsp.KeyBits(own.RawSubjectPublicKeyInfo)
	if err != nil {
		return nil, err
	}
	i := &issuer{id: a.ID, name: own.RawSubject, bits: bits}
	for _, h := range ocsp.Hashes() {
		i.hashes = append(i.hashes, hashKey(h, ocsp.Digest(h, i.name), ocsp.Digest(h, bits)))
	}
	return i, nil
}

// hashKey returns the key of the index for what a CertID says of an issuer.
func hashKey(h crypto.Hash, name, bits []byte) string {
	b := make([]byte, 0, 1+2*64)
	return string(append(append(append(b, byte(h)), name...), bits...)) //nolint:gosec // crypto.Hash counts to 20
}

// find returns the authorities that the CertID's issuer may be: those with the
// hashes, or only the one with the id when that is given.
func (i *issuers) find(id string, q *ocsp.CertID) []*issuer {
	if q.Hash == 0 {
		return nil
	}
	key := hashKey(q.Hash, q.NameHash, q.KeyHash)
	for _, index := range []func() *issuerIndex{i.index.Load, i.refresh} {
		x := index()
		if x == nil {
			continue
		}
		if found := x.byHash[key]; id == "" && found != nil {
			return found
		}
		if one, ok := x.byID[id]; ok && slices.Contains(one.hashes, key) {
			return []*issuer{one}
		}
	}
	return nil
}

// refresh makes the index anew, unless it was just made.
func (i *issuers) refresh() *issuerIndex {
	i.mu.Lock()
	defer i.mu.Unlock()
	old, now := i.index.Load(), i.now()
	if old != nil && now.Sub(old.made).Abs() < indexAge {
		return old
	}
	next := &issuerIndex{made: now, byHash: map[string][]*issuer{}, byID: map[string]*issuer{}}
	for _, a := range i.all() {
		if !a.Publishes() {
			continue
		}
		var known *issuer
		if old != nil {
			known = old.byID[a.ID]
		}
		if known == nil || !bytes.Equal(known.name, a.X509().RawSubject) {
			made, err := newIssuer(a)
			if err != nil {
				continue // a key that no CertID can name
			}
			known = made
		}
		next.byID[a.ID] = known
		for _, h := range known.hashes {
			next.byHash[h] = append(next.byHash[h], known)
		}
	}
	i.index.Store(next)
	return next
}

// questions returns every CertID, in every form that is read, about the
// issuer's certificate with the serial number.
func (i *issuer) questions(serial *big.Int) [][]byte {
	var list [][]byte
	for _, h := range ocsp.Hashes() {
		id, err := ocsp.NewCertID(h, i.name, i.bits, serial)
		if err != nil {
			continue // a serial number that is negative is nobody's
		}
		list = append(list, id.Raw, id.WithoutParameters())
	}
	return list
}
