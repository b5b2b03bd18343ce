// Package fill puts very many certificates straight into a store, as an
// authority would have issued them over the last ninety days, with the terms
// by which the inventory finds them. Their signatures are not an authority's:
// they are for measuring how look-ups grow, not for use.
package fill

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha512"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"time"

	"github.com/holdfast-kms/holdfast/internal/ca"
	"github.com/holdfast-kms/holdfast/internal/inventory"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/store"
)

// Options say what to fill with.
type Options struct {
	Realm     key.RealmID
	Authority string // its id
	Count     int    // at most 99,999,999
	// Now is when the last certificate was issued. Each is for 90 days.
	Now time.Time
	// RevokedEvery says which of them are revoked: each with a number that it
	// divides; 0 means none.
	RevokedEvery int
}

// days is how long ago the first one was issued.
const days = 90

// batch is how many rows go into a transaction.
const batch = 2000

// Name returns the DNS name of the certificate with a number.
func Name(n int) string { return fmt.Sprintf("h%08d.example.com", n) }

// Serial returns its serial number. The digits behind the time tell the
// number, so that nothing has to be remembered.
func (o *Options) Serial(n int) string {
	return fmt.Sprintf("%012x%020x", o.issued(n).UnixMilli(), n+1)
}

func (o *Options) issued(n int) time.Time {
	span := days * 24 * time.Hour
	return o.Now.Add(-span + time.Duration(float64(span)*float64(n)/float64(o.Count))).UTC()
}

// Requester returns who asked for it: one of a hundred.
func Requester(n int) string { return fmt.Sprintf("000000000001/user/%02d", n%100) }

// Certificates fills a store. Rows go in in the order of their indexes, which
// takes a tenth of the time that it took them to come one by one.
func Certificates(ctx context.Context, s store.Store, o Options) error {
	m, err := newMould()
	if err != nil {
		return err
	}
	var rows []store.Row
	flush := func(t *store.Table) error {
		err := s.Update(ctx, func(tx store.Tx) error {
			for _, row := range rows {
				if err := tx.Put(t, row); err != nil {
					return err
				}
			}
			return nil
		})
		rows = rows[:0]
		return err
	}
	put := func(t *store.Table, row store.Row) error {
		if rows = append(rows, row); len(rows) < batch {
			return nil
		}
		return flush(t)
	}
	for n := range o.Count {
		if err := put(store.Certificates, o.certificate(m, n).Row()); err != nil {
			return err
		}
	}
	if err := flush(store.Certificates); err != nil {
		return err
	}
	if o.RevokedEvery > 0 {
		for n := 0; n < o.Count; n += o.RevokedEvery {
			c := o.certificate(m, n)
			r := ca.Revocation{Authority: c.Authority, Serial: c.Serial, At: *c.RevokedAt, Changed: *c.RevokedAt, Reason: c.Reason, Expires: c.NotAfter}
			if err := put(store.Revocations, r.Row()); err != nil {
				return err
			}
		}
		if err := flush(store.Revocations); err != nil {
			return err
		}
	}
	return o.terms(m, func(row store.Row) error { return put(store.Terms, row) }, func() error { return flush(store.Terms) })
}

// terms yields the terms in an order that is theirs but for blocks of a
// requester: names by their numbers, and keys by their hashes.
func (o *Options) terms(m *mould, put func(store.Row) error, flush func() error) error {
	last := map[string]bool{}
	for n := range o.Count { // names come in their order
		for _, row := range inventory.Terms(o.Realm, o.certificate(m, n)) {
			switch kind := strings.SplitN(row.ID, "/", 3)[1]; {
			case kind == "k":
				continue
			case kind != "d" && last[row.ID]:
				continue
			case kind != "d":
				if len(last) > 100_000 {
					clear(last)
				}
				last[row.ID] = true
			}
			if err := put(row); err != nil {
				return err
			}
		}
	}
	if err := flush(); err != nil {
		return err
	}
	type hashed struct {
		hash [8]byte
		n    uint32
	}
	keys := make([]hashed, o.Count)
	for n := range keys {
		sum, err := hex.DecodeString(inventory.KeyHash(o.certificate(m, n).DER)[:16])
		if err != nil {
			return err
		}
		keys[n] = hashed{[8]byte(sum), uint32(n)} //nolint:gosec // the count is below 100 million
	}
	slices.SortFunc(keys, func(a, b hashed) int { return bytes.Compare(a.hash[:], b.hash[:]) })
	for _, k := range keys {
		for _, row := range inventory.Terms(o.Realm, o.certificate(m, int(k.n))) {
			if strings.SplitN(row.ID, "/", 3)[1] != "k" {
				continue
			}
			if err := put(row); err != nil {
				return err
			}
		}
	}
	return flush()
}

// certificate returns the certificate with a number.
func (o *Options) certificate(m *mould, n int) *ca.Certificate {
	at := o.issued(n)
	c := &ca.Certificate{
		Authority: o.Authority, Serial: o.Serial(n), Subject: "CN=" + Name(n), Names: []string{Name(n)}, Profile: "tls-server",
		Requester: Requester(n), IssuedAt: at, NotBefore: at.Truncate(time.Second), NotAfter: at.AddDate(0, 0, days).Truncate(time.Second),
	}
	if n%100 == 0 {
		c.Profile = "tls-client"
	}
	if o.RevokedEvery > 0 && n%o.RevokedEvery == 0 {
		revoked := at.Add(time.Hour).Truncate(time.Second)
		c.RevokedAt, c.Reason = &revoked, ca.Superseded
	}
	c.DER = m.cast(c.Serial, Name(n), n)
	return c
}

// mould is one certificate, of which each other is a copy with its own serial
// number, names and public key.
type mould struct {
	der                []byte
	serial, key        int
	names              []int
	serialLen, nameLen int
}

// newMould makes the certificate and finds what is to be replaced in it.
func newMould() (*mould, error) {
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	serial, _ := new(big.Int).SetString("0123456789abcdef0123456789abcdef", 16)
	issuer := &x509.Certificate{Subject: pkix.Name{CommonName: "Measuring"}}
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: Name(0)}, DNSNames: []string{Name(0)}, NotBefore: time.Unix(1_800_000_000, 0),
		NotAfter: time.Unix(1_807_776_000, 0), KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		CRLDistributionPoints: []string{"http://pki.example.com/pki/crl/0b7e1d6e-5e0a-4b63-9d1c-000000000001"},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, issuer, k.Public(), k)
	if err != nil {
		return nil, err
	}
	public, err := k.PublicKey.Bytes()
	if err != nil {
		return nil, err
	}
	m := &mould{
		der: der, serial: bytes.Index(der, serial.Bytes()), serialLen: len(serial.Bytes()), nameLen: len(Name(0)), key: bytes.Index(der, public) + 1,
	}
	for at := 0; ; {
		i := bytes.Index(der[at:], []byte(Name(0)))
		if i < 0 {
			break
		}
		m.names = append(m.names, at+i)
		at += i + m.nameLen
	}
	if m.serial < 0 || m.key < 1 || len(m.names) != 2 {
		return nil, errors.New("the mould is not as expected")
	}
	return m, nil
}

// cast returns a copy.
func (m *mould) cast(serial, name string, n int) []byte {
	der := bytes.Clone(m.der)
	digits, err := hex.DecodeString(serial)
	if err != nil || len(digits) != m.serialLen || len(name) != m.nameLen {
		panic("fill: a serial or a name of another length") // our own bug
	}
	copy(der[m.serial:], digits)
	for _, at := range m.names {
		copy(der[at:], name)
	}
	sum := sha512.Sum512(binary.BigEndian.AppendUint64(nil, uint64(n))) //nolint:gosec // n is not negative
	copy(der[m.key:], sum[:])
	return der
}

// KeyHash returns the hash of the public key of the certificate with a number.
func (o *Options) KeyHash(n int) (string, error) {
	m, err := newMould()
	if err != nil {
		return "", err
	}
	return inventory.KeyHash(m.cast(o.Serial(n), Name(n), n)), nil
}
