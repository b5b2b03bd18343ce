package managed

import (
	"bytes"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/store"
)

// FuzzRecord: what is read as a certificate is written back as the same one.
func FuzzRecord(f *testing.F) {
	now := time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)
	for _, c := range []*Certificate{
		{
			Realm: key.DefaultRealm, Region: "r", Kind: Private, Authority: "a", Domain: "d", Names: []string{"d"}, Spec: alg.P256,
			Key: "k", DER: []byte{1}, Chain: [][]byte{{2}}, Serial: "01", NotBefore: now, NotAfter: now.AddDate(1, 0, 0),
			CreatedAt: now, IssuedAt: now, Exportable: true, ExportedAt: now, UsedBy: []string{"u"}, Logged: true,
			Tags: []key.Tag{{Key: "a", Value: "b"}}, Renewal: &Renewal{Outcome: Refused, At: now, Failure: AccessDenied, Attempts: 3}, Revision: 7,
		},
		{Kind: Private, Spec: alg.RSA2048, Failure: AuthorityState},
		{Kind: Imported, Spec: alg.RSA2048, DER: []byte{1}, ImportedAt: now, RevokedAt: now},
	} {
		row, err := c.row(now)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(row.Body)
	}
	f.Add([]byte(`{"v":2}`))
	f.Add([]byte(`{"v":1,"kind":"private"`))
	f.Fuzz(func(t *testing.T, body []byte) {
		c, err := readCertificate(store.Row{ID: "id", Body: body})
		if err != nil {
			return
		}
		row, err := c.row(now)
		if err != nil {
			t.Fatal(err)
		}
		again, err := readCertificate(row)
		if err != nil {
			t.Fatalf("%s is written as %s: %v", body, row.Body, err)
		}
		twice, err := again.row(now)
		if err != nil || !bytes.Equal(row.Body, twice.Body) {
			t.Errorf("%s", cmp.Diff(string(row.Body), string(twice.Body)))
		}
	})
}

// TestDueAt has when a renewal is tried, and tried again.
func TestDueAt(t *testing.T) {
	begin := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	made := func(days int, edit func(*Certificate)) *Certificate {
		c := &Certificate{
			Kind: Private, DER: []byte{1}, NotBefore: begin, NotAfter: begin.AddDate(0, 0, days), ExportedAt: begin,
		}
		if edit != nil {
			edit(c)
		}
		return c
	}
	failed := func(at time.Time, attempts int) func(*Certificate) {
		return func(c *Certificate) { c.Renewal = &Renewal{Outcome: Refused, At: at, Attempts: attempts} }
	}
	late := begin.AddDate(0, 0, 340)
	for name, test := range map[string]struct {
		c    *Certificate
		want time.Time
	}{
		"60 days before":        {made(395, nil), begin.AddDate(0, 0, 335)},
		"a third of a week":     {made(6, nil), begin.AddDate(0, 0, 4)},
		"nobody has it":         {made(395, func(c *Certificate) { c.ExportedAt = time.Time{} }), time.Time{}},
		"somebody uses it":      {made(395, func(c *Certificate) { c.ExportedAt, c.UsedBy = time.Time{}, []string{"u"} }), begin.AddDate(0, 0, 335)},
		"revoked":               {made(395, func(c *Certificate) { c.RevokedAt = begin }), time.Time{}},
		"imported":              {made(395, func(c *Certificate) { c.Kind = Imported }), time.Time{}},
		"failed once":           {made(395, failed(late, 1)), late.Add(15 * time.Minute)},
		"failed three times":    {made(395, failed(late, 3)), late.Add(time.Hour)},
		"failed for a week":     {made(395, failed(late, 12)), late.Add(24 * time.Hour)},
		"renewed":               {made(395, func(c *Certificate) { c.Renewal = &Renewal{Outcome: Succeeded, At: begin} }), begin.AddDate(0, 0, 335)},
		"failed, long ago":      {made(395, failed(begin, 12)), begin.AddDate(0, 0, 335)},
		"failed to be made":     {made(395, func(c *Certificate) { c.DER = nil }), time.Time{}},
		"expired, not yet seen": {made(0, nil), time.Time{}},
	} {
		if got := test.c.dueAt(begin.Add(time.Hour)); !got.Equal(test.want) {
			t.Errorf("%s: due %s, want %s", name, got, test.want)
		}
	}
}
