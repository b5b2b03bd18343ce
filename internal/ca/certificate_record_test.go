package ca

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/store"
)

// sampleCertificates returns certificates that use every part of a record.
func sampleCertificates() []*Certificate {
	id := key.ID("0b7e1d6e-5e0a-4b63-9d1c-000000000009")
	revoked := time.Date(2026, 12, 1, 8, 0, 0, 0, time.UTC)
	base := Certificate{
		Authority: "0b7e1d6e-5e0a-4b63-9d1c-000000000001", Serial: "019a0000000000000000000000000001", DER: []byte{0x30, 0x03, 1, 2, 3},
		Subject: "CN=web,O=Ünïcode", Names: []string{"web.example.com", "10.0.0.1", ""}, Profile: "tls-server",
		Requester: "123456789012/user/admin", IssuedAt: time.Date(2026, 11, 22, 1, 2, 3, 456789, time.UTC),
		NotBefore: time.Date(2026, 11, 22, 1, 1, 3, 0, time.UTC), NotAfter: time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC),
	}
	managed, sharded, old := base, base, base
	managed.Key, managed.Names = &id, nil
	sharded.Shard, sharded.RevokedAt, sharded.Reason = "7", &revoked, KeyCompromise
	old.NotBefore, old.NotAfter = time.Date(1950, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(1960, 1, 1, 0, 0, 0, 0, time.UTC)
	return []*Certificate{&base, &managed, &sharded, &old}
}

// stored returns every certificate in the fixture's store.
func (f *fixture) stored(t testing.TB) (list []*Certificate) {
	t.Helper()
	err := f.store.View(t.Context(), func(r store.Reader) error {
		for row, err := range r.Scan(store.Certificates, store.Query{}) {
			if err != nil {
				return err
			}
			c, err := ReadCertificate(row)
			if err != nil {
				return err
			}
			list = append(list, c)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func TestCertificateRecord(t *testing.T) {
	for _, c := range sampleCertificates() {
		row := c.Row()
		if err := store.Certificates.Check(row); err != nil {
			t.Error(err)
		}
		got, err := ReadCertificate(row)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(c, got); diff != "" {
			t.Errorf("a certificate comes back changed (-want +got):\n%s", diff)
		}
		// Whatever end is missing, it is noticed, and so is what is too much.
		for n := range row.Body {
			if _, err := ReadCertificate(store.Row{ID: row.ID, Body: row.Body[:n]}); err == nil {
				t.Errorf("%d of %d bytes are read as a whole record", n, len(row.Body))
			}
		}
		if _, err := ReadCertificate(store.Row{ID: row.ID, Body: append(bytes.Clone(row.Body), 0)}); err == nil {
			t.Error("a byte too much is not noticed")
		}
	}
}

// TestCertificateRecordVersion1: what the first Holdfast wrote is still read.
func TestCertificateRecordVersion1(t *testing.T) {
	for _, want := range sampleCertificates() {
		if want.Shard = ""; len(want.Names) == 0 {
			want.Names = nil
		}
		body := map[string]any{
			"v": 1, "der": want.DER, "subject": want.Subject, "names": want.Names, "profile": want.Profile, "requester": want.Requester,
			"issued_at": want.IssuedAt, "not_before": want.NotBefore, "not_after": want.NotAfter,
		}
		if want.Key != nil {
			body["key"] = *want.Key
		}
		if want.RevokedAt != nil {
			body["revoked_at"], body["reason"] = *want.RevokedAt, want.Reason
		}
		text, err := json.Marshal(body)
		if err != nil {
			t.Fatal(err)
		}
		got, err := ReadCertificate(store.Row{ID: CertificateID(want.Authority, want.Serial), Body: text})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("a certificate of version 1 (-want +got):\n%s", diff)
		}
	}
}

func TestRecordsOfOtherVersions(t *testing.T) {
	good := sampleCertificates()[0].Row()
	for _, row := range []store.Row{
		{ID: good.ID},
		{ID: "no-serial", Body: good.Body},
		{ID: good.ID, Body: append([]byte{3}, good.Body[1:]...)},
		{ID: good.ID, Body: []byte(`{"v":2}`)},
		{ID: good.ID, Body: []byte(`{"v":1`)},
	} {
		if _, err := ReadCertificate(row); err == nil || !strings.Contains(err.Error(), row.ID) {
			t.Errorf("%q with %.20q: %v, want an error that names the record", row.ID, row.Body, err)
		}
	}
}

func TestExpiresColumnSorts(t *testing.T) {
	at := time.Date(2026, 11, 22, 23, 59, 59, 0, time.FixedZone("east", 3600))
	if got := ExpiresColumn("a", at); got != "a/20261122225959" {
		t.Errorf("the column is %q", got)
	}
	if ExpiresColumn("a", at) >= ExpiresColumn("a", at.Add(time.Second)) {
		t.Error("a second later does not sort later")
	}
}

func TestRevocationRecord(t *testing.T) {
	want := &Revocation{
		Authority: "id", Shard: "3", Serial: "0a", At: time.Unix(1_800_000_000, 0).UTC(), Reason: AACompromise, Expires: time.Unix(-5, 0).UTC(),
		Changed: time.Unix(1_800_000_000, 7).UTC(),
	}
	row := want.Row()
	if row.ID != "id/3/0a" || string(row.Body) != "1 1800000000 10 -5" || row.Columns[0] != "id/2027-01-15T08:00:00.000000007Z" {
		t.Errorf("the row is %+v %s", row, row.Body)
	}
	got, err := ReadRevocation(row)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for _, body := range []string{"", "1", "1 1 1", "1 1 1 1 ", "1 1 1 1 1", "2 1 1 1", "1 x 1 1", "1  1 1"} {
		if _, err := ReadRevocation(store.Row{ID: "id//0a", Columns: row.Columns, Body: []byte(body)}); err == nil {
			t.Errorf("%q is read as a revocation", body)
		}
	}
	for _, columns := range [][]string{nil, {""}, {"id/yesterday"}} {
		if _, err := ReadRevocation(store.Row{ID: row.ID, Columns: columns, Body: row.Body}); err == nil {
			t.Errorf("%q are read as a revocation's columns", columns)
		}
	}
	for _, id := range []string{"", "id", "id/0a"} {
		if _, err := ReadRevocation(store.Row{ID: id, Columns: row.Columns, Body: row.Body}); err == nil {
			t.Errorf("%q is read as a revocation's id", id)
		}
	}
}

// FuzzCertificateRecord: what is read, written and read again is the same.
func FuzzCertificateRecord(f *testing.F) {
	for _, c := range sampleCertificates() {
		f.Add(c.Row().Body)
	}
	f.Add([]byte(`{"v":1,"subject":"CN=a"}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		c, err := ReadCertificate(store.Row{ID: "a/b", Body: body})
		if err != nil || body[0] == '{' {
			return
		}
		again, err := ReadCertificate(c.Row())
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(c, again); diff != "" {
			t.Errorf("(-first +second):\n%s", diff)
		}
	})
}

// BenchmarkCertificateRecord is what a record costs to write.
func BenchmarkCertificateRecord(b *testing.B) {
	c := sampleCertificates()[0]
	c.DER = make([]byte, 900)
	for b.Loop() {
		c.Row()
	}
}
