package main

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
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/store"
	"github.com/holdfast-kms/holdfast/internal/term"
)

// filling says what a store is filled with: very many certificates, as an
// authority would have issued them over the last ninety days, with the terms
// by which the inventory finds them. Their signatures are not an authority's:
// they are for measuring how look-ups grow, not for use.
type filling struct {
	realm     key.RealmID
	authority string // its id
	count     int    // at most 99,999,999
	// now is when the last certificate was issued. Each is for 90 days.
	now time.Time
	// every says which of them are revoked: each with a number that it divides.
	every int
}

// days is how long ago the first one was issued.
const days = 90

// batch is how many rows go into a transaction.
const batch = 2000

// hostName returns the DNS name of the certificate with a number.
func hostName(n int) string { return fmt.Sprintf("h%08d.example.com", n) }

// serial returns its serial number. The digits behind the time tell the
// number, so that nothing has to be remembered.
func (o *filling) serial(n int) string {
	return fmt.Sprintf("%012x%020x", o.issued(n).UnixMilli(), n+1)
}

func (o *filling) issued(n int) time.Time {
	span := days * 24 * time.Hour
	return o.now.Add(-span + time.Duration(float64(span)*float64(n)/float64(o.count))).UTC()
}

// requester returns who asked for it: one of a hundred.
func requester(n int) string { return fmt.Sprintf("000000000001/user/%02d", n%100) }

// filler puts rows into a store, many in a transaction.
type filler struct {
	*filling
	*mould
	ctx   context.Context //nolint:containedctx // it lives as long as one call
	store store.Store
	table *store.Table
	rows  []store.Row
}

// fill fills a store. Rows go in in the order of their indexes, which takes a
// tenth of the time that it took them to come one by one.
func fill(ctx context.Context, s store.Store, o *filling) error {
	m, err := newMould()
	if err != nil {
		return err
	}
	f := &filler{filling: o, mould: m, ctx: ctx, store: s}
	for _, part := range []func() error{f.certificates, f.revocations, f.names, f.keys} {
		if err := part(); err != nil {
			return err
		}
		if err := f.flush(); err != nil {
			return err
		}
	}
	return nil
}

func (f *filler) flush() error {
	err := f.store.Update(f.ctx, func(tx store.Tx) error {
		for _, row := range f.rows {
			if err := tx.Put(f.table, row); err != nil {
				return err
			}
		}
		return nil
	})
	f.rows = f.rows[:0]
	return err
}

func (f *filler) put(row store.Row) error {
	if f.rows = append(f.rows, row); len(f.rows) < batch {
		return nil
	}
	return f.flush()
}

func (f *filler) certificates() error {
	f.table = store.Certificates
	for n := range f.count {
		if err := f.put(f.certificate(f.mould, n).Row()); err != nil {
			return err
		}
	}
	return nil
}

func (f *filler) revocations() error {
	f.table = store.Revocations
	for n := 0; n < f.count; n += f.every {
		c := f.certificate(f.mould, n)
		r := ca.Revocation{Authority: c.Authority, Serial: c.Serial, At: *c.RevokedAt, Changed: *c.RevokedAt, Reason: c.Reason, Expires: c.NotAfter}
		if err := f.put(r.Row()); err != nil {
			return err
		}
	}
	return nil
}

// names puts all terms but those of keys. Names come in their order.
func (f *filler) names() error {
	f.table = store.Terms
	last := map[string]bool{} // terms of blocks
	for n := range f.count {
		for _, row := range term.Of(f.realm, f.certificate(f.mould, n)) {
			kind := kindOf(row)
			if kind == term.Key || last[row.ID] {
				continue
			}
			if kind != term.Domain {
				if len(last) > 100_000 {
					clear(last)
				}
				last[row.ID] = true
			}
			if err := f.put(row); err != nil {
				return err
			}
		}
	}
	return nil
}

// kindOf returns the kind of a term.
func kindOf(row store.Row) byte { return strings.SplitN(row.ID, "/", 3)[1][0] }

// keys puts the terms of keys in their order.
func (f *filler) keys() error {
	type hashed struct {
		hash [8]byte
		n    uint32
	}
	keys := make([]hashed, f.count)
	for n := range keys {
		sum, err := hex.DecodeString(term.KeyHash(f.certificate(f.mould, n).DER)[:16])
		if err != nil {
			return err
		}
		keys[n] = hashed{[8]byte(sum), uint32(n)}
	}
	slices.SortFunc(keys, func(a, b hashed) int { return bytes.Compare(a.hash[:], b.hash[:]) })
	for _, k := range keys {
		rows := term.Of(f.realm, f.certificate(f.mould, int(k.n)))
		at := slices.IndexFunc(rows, func(row store.Row) bool { return kindOf(row) == term.Key })
		if err := f.put(rows[at]); err != nil {
			return err
		}
	}
	return nil
}

// certificate returns the certificate with a number.
func (o *filling) certificate(m *mould, n int) *ca.Certificate {
	at := o.issued(n)
	c := &ca.Certificate{
		Authority: o.authority, Serial: o.serial(n), Subject: "CN=" + hostName(n), Names: []string{hostName(n)}, Profile: "tls-server",
		Requester: requester(n), IssuedAt: at, NotBefore: at.Truncate(time.Second), NotAfter: at.AddDate(0, 0, days).Truncate(time.Second),
	}
	if n%100 == 0 {
		c.Profile = "tls-client"
	}
	if n%o.every == 0 {
		revoked := at.Add(time.Hour).Truncate(time.Second)
		c.RevokedAt, c.Reason = &revoked, ca.Superseded
	}
	c.DER = m.cast(c.Serial, hostName(n), n)
	return c
}

// mould is one certificate, of which each other is a copy with its own serial
// number, names and public key.
type mould struct {
	der                []byte
	serialAt, keyAt    int
	namesAt            []int
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
		SerialNumber: serial, Subject: pkix.Name{CommonName: hostName(0)}, DNSNames: []string{hostName(0)}, NotBefore: time.Unix(1_800_000_000, 0),
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
		der: der, serialAt: bytes.Index(der, serial.Bytes()), serialLen: len(serial.Bytes()), nameLen: len(hostName(0)), keyAt: bytes.Index(der, public) + 1,
	}
	for at := 0; ; {
		i := bytes.Index(der[at:], []byte(hostName(0)))
		if i < 0 {
			break
		}
		m.namesAt = append(m.namesAt, at+i)
		at += i + m.nameLen
	}
	if m.serialAt < 0 || m.keyAt < 1 || len(m.namesAt) != 2 {
		return nil, errors.New("the mould is not as expected")
	}
	return m, nil
}

// cast returns a copy.
func (m *mould) cast(serial, name string, n int) []byte {
	der := bytes.Clone(m.der)
	digits, err := hex.DecodeString(serial)
	if err != nil || len(digits) != m.serialLen || len(name) != m.nameLen {
		panic("a serial or a name of another length") // our own bug
	}
	copy(der[m.serialAt:], digits)
	for _, at := range m.namesAt {
		copy(der[at:], name)
	}
	sum := sha512.Sum512(binary.BigEndian.AppendUint64(nil, uint64(n))) //nolint:gosec // n is not negative
	copy(der[m.keyAt:], sum[:])
	return der
}

// keyHash returns the hash of the public key of the certificate with a number.
func (o *filling) keyHash(n int) (string, error) {
	m, err := newMould()
	if err != nil {
		return "", err
	}
	return term.KeyHash(m.cast(o.serial(n), hostName(n), n)), nil
}
