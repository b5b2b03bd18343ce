package ca

import (
	"encoding/hex"
	"io"
	"math/big"
	"testing"
	"time"

	"github.com/holdfast-kms/holdfast/internal/cert"
	"github.com/holdfast-kms/holdfast/internal/store"
)

// crl returns a list of what the store knows to be revoked by the authority,
// for those who judge certificates. The lists themselves are package
// status's.
func (f *fixture) crl(t testing.TB, id string) []byte {
	t.Helper()
	a, ok := f.ByID(id)
	if !ok {
		t.Fatal("no such authority")
	}
	revoked, now := f.revocations(t, id), f.clock
	for _, r := range revoked { // a fixture with the real clock revokes after its own time
		if r.At.After(now) {
			now = r.At
		}
	}
	spool := &cert.Buffer{}
	l := &cert.List{Number: big.NewInt(1), ThisUpdate: now, NextUpdate: now.Add(time.Hour)}
	draft, err := cert.WriteList(spool, l, a.X509(), a.Public(), a.Algorithm, func(yield func(cert.Entry, error) bool) {
		for _, r := range revoked {
			serial, err := hex.DecodeString(r.Serial)
			if r.Reason != RemoveFromCRL && !yield(cert.Entry{Serial: serial, RevokedAt: r.At, Reason: int(r.Reason)}, err) {
				return
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	token, err := f.lints.Written(draft)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Sign(t.Context(), f.OwnCall(a, "MakeCRL"), id, token); err != nil {
		t.Fatal(err)
	}
	der, err := io.ReadAll(draft.Reader())
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// revocations returns the authority's rows of store.Revocations, in the order
// of their changes.
func (f *fixture) revocations(t testing.TB, id string) []*Revocation {
	t.Helper()
	var list []*Revocation
	err := f.store.View(t.Context(), func(r store.Reader) error {
		for row, err := range r.Scan(store.Revocations, store.Query{Column: "changed", From: id + "/", To: id + "0"}) {
			if err != nil {
				return err
			}
			one, err := ReadRevocation(row)
			if err != nil {
				return err
			}
			list = append(list, one)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}
