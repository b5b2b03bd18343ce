package managed

import (
	"bytes"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/ca"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/renewal"
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
			Tags: []key.Tag{{Key: "a", Value: "b"}}, Renewal: &Renewal{Outcome: Refused, At: now, Failure: AccessDenied, Attempts: 3, Issuer: "i"}, Revision: 7,
			Profile: "p", Validity: time.Hour, Next: "n", Rule: &renewal.Rule{Before: time.Hour, Key: renewal.SameKey, Jitter: new(time.Duration)},
		},
		{Kind: Private, Spec: alg.RSA2048, DER: []byte{1}, Rule: &renewal.Rule{Share: 0.5}},
		{Kind: Private, Spec: alg.RSA2048, Failure: AuthorityState},
		{Kind: Imported, Spec: alg.RSA2048, DER: []byte{1}, ImportedAt: now, RevokedAt: now},
	} {
		row, err := c.row()
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
		row, err := c.row()
		if err != nil {
			t.Fatal(err)
		}
		again, err := readCertificate(row)
		if err != nil {
			t.Fatalf("%s is written as %s: %v", body, row.Body, err)
		}
		twice, err := again.row()
		if err != nil || !bytes.Equal(row.Body, twice.Body) {
			t.Errorf("%s", cmp.Diff(string(row.Body), string(twice.Body)))
		}
	})
}

// TestDue has when a renewal is tried, why, and when it is tried again.
func TestDue(t *testing.T) {
	begin := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	made := func(days int, edit func(*Certificate)) *Certificate {
		c := &Certificate{
			Kind: Private, DER: []byte{1}, NotBefore: begin, NotAfter: begin.AddDate(0, 0, days), ExportedAt: begin,
		}
		c.Renews.Jitter = new(time.Duration)
		if edit != nil {
			edit(c)
		}
		return c
	}
	failed := func(at time.Time, attempts int, issuer string) func(*Certificate) {
		return func(c *Certificate) {
			c.Renewal = &Renewal{Outcome: Refused, At: at, Attempts: attempts, Issuer: issuer}
		}
	}
	now, late := begin.Add(time.Hour), begin.AddDate(0, 0, 340)
	ruled := func(c *Certificate) { c.Renews.Before = 10 * 24 * time.Hour; c.From = FromCertificate }
	days := func(n int) time.Time { return begin.AddDate(0, 0, n) }
	for name, test := range map[string]struct {
		c      *Certificate
		issuer issuer
		want   time.Time
		cause  Cause
	}{
		"60 days before":        {made(395, nil), issuer{}, days(335), ByRule},
		"a third of a week":     {made(6, nil), issuer{}, days(4), ByRule},
		"nobody has it":         {made(395, func(c *Certificate) { c.ExportedAt = time.Time{} }), issuer{}, time.Time{}, NoCause},
		"nobody has it, a rule": {made(395, func(c *Certificate) { ruled(c); c.ExportedAt = time.Time{} }), issuer{}, days(385), ByRule},
		"somebody uses it":      {made(395, func(c *Certificate) { c.ExportedAt, c.UsedBy = time.Time{}, []string{"u"} }), issuer{}, days(335), ByRule},
		"revoked":               {made(395, func(c *Certificate) { c.RevokedAt = begin }), issuer{}, time.Time{}, NoCause},
		"on hold":               {made(395, func(c *Certificate) { c.RevokedAt, c.Reason = begin, ca.CertificateHold }), issuer{}, now.Add(24 * time.Hour), Held},
		"imported":              {made(395, func(c *Certificate) { c.Kind = Imported }), issuer{}, time.Time{}, NoCause},
		"renewed":               {made(395, func(c *Certificate) { c.Renewal = &Renewal{Outcome: Succeeded, At: begin} }), issuer{}, days(335), ByRule},
		"failed, long ago":      {made(395, failed(begin, 12, "")), issuer{}, days(335), ByRule},
		"failed to be made":     {made(395, func(c *Certificate) { c.DER = nil }), issuer{}, time.Time{}, NoCause},
		"expired, not yet seen": {made(0, nil), issuer{}, time.Time{}, NoCause},

		"the issuer ends first":     {made(395, nil), issuer{end: days(90)}, days(60), IssuerEnds},
		"the issuer ends later":     {made(90, nil), issuer{end: days(3000)}, days(60), ByRule},
		"the issuer is revoked":     {made(395, nil), issuer{cause: IssuerRevoked, since: days(7)}, days(7), IssuerRevoked},
		"revoked, and due before":   {made(395, nil), issuer{cause: IssuerRevoked, since: days(340)}, days(335), ByRule},
		"the issuer never was":      {made(395, nil), issuer{end: begin}, begin, IssuerEnds},
		"revoked, refused":          {made(395, failed(days(7), 1, "x")), issuer{cause: IssuerRevoked, since: days(7), state: "x"}, days(7).Add(15 * time.Minute), AfterFailure},
		"ended, refused":            {made(395, failed(days(7), 1, "x")), issuer{end: days(5), state: "x"}, days(7).Add(15 * time.Minute), AfterFailure},
		"revoked, nobody has it":    {made(395, func(c *Certificate) { c.ExportedAt = time.Time{} }), issuer{cause: IssuerRevoked, since: begin}, time.Time{}, NoCause},
		"refused, changed since":    {made(395, failed(late, 9, "x")), issuer{state: "y"}, days(335), ByRule},
		"refused near its very end": {made(395, failed(days(395).Add(-time.Minute), 9, "")), issuer{}, days(395), AfterFailure},
	} {
		got, cause := test.c.due(&test.issuer, now)
		if cause == AfterFailure { // up to a quarter of the wait earlier
			wait := got.Sub(test.c.Renewal.At)
			most := test.want.Sub(test.c.Renewal.At)
			if wait < most*3/4 || wait > most || cause != test.cause {
				t.Errorf("%s: %s after the failure, want %s (%s)", name, wait, most, cause)
			}
			continue
		}
		if !got.Equal(test.want) || cause != test.cause {
			t.Errorf("%s: due %s (%s), want %s (%s)", name, got, cause, test.want, test.cause)
		}
	}
	// An authority that another one took over from: within a day.
	c := made(395, nil)
	got, cause := c.due(&issuer{cause: IssuerReplaced, since: days(7)}, now)
	if got.Before(days(7)) || got.After(days(8)) || cause != IssuerReplaced {
		t.Errorf("the issuer is replaced: due %s (%s)", got, cause)
	}
}
