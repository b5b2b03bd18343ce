package compliance

import (
	"fmt"
	"testing"
	"time"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/key"
)

// TestExcuses: an exception is for one rule, and for resources by any of their
// names.
func TestExcuses(t *testing.T) {
	f := &Finding{Rule: "key-old", Resource: "123456789012/us-east-1/k1", ID: "k1", Name: "alias/pay"}
	for _, c := range []struct {
		rule, resource string
		want           bool
	}{
		{"key-old", "k1", true},
		{"key-old", "alias/pay", true},
		{"key-old", "123456789012/us-east-1/k1", true},
		{"key-old", "123456789012/us-east-1/*", true},
		{"key-old", "alias/*", true},
		{"key-old", "*", true},
		{"key-old", "k", false},
		{"key-old", "alias/pa", false},
		{"key-old", "*k1", false}, // an asterisk counts at the end alone
		{"key-weak", "*", false},
	} {
		if got := (&Exception{Rule: c.rule, Resource: c.resource}).Excuses(f); got != c.want {
			t.Errorf("%s of %s: %t", c.rule, c.resource, got)
		}
	}
}

// TestExcuse: what is excused does not count, what has ended excuses nothing and
// is a finding, and the first exception that counts is told.
func TestExcuse(t *testing.T) {
	check := NewChecker("here", Defaults(), now)
	check.Key(good(func(k *Key) { k.Created = Known(ago(2000)) }))
	check.Key(good(func(k *Key) { k.Created, k.ID, k.Resource = Known(ago(2000)), "other", "other" }))
	r := check.Report()
	idle := r.Excuse([]Exception{
		{Rule: "key-old", Resource: "k", Owner: "past", Until: "2026-11-22"},
		{Rule: "key-old", Resource: "k", Owner: "first", Until: "2026-11-23"},
		{Rule: "key-old", Resource: "*", Owner: "second", Until: "2027-01-01"},
		{Rule: "key-old", Resource: "gone", Owner: "nobody", Until: "2020-01-01"},
	}, Moment{Defaults(), now})
	if len(idle) != 1 || idle[0].Owner != "nobody" {
		t.Errorf("idle: %+v", idle)
	}
	got := map[string]string{}
	for _, f := range r.Findings {
		owner := ""
		if f.Exception != nil {
			owner = f.Exception.Owner
		}
		got[f.Rule+" "+f.Resource] = owner
	}
	want := map[string]string{"key-old 123456789012/us-east-1/k": "first", "key-old other": "second", "exception-expired key-old k": ""}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%v, want %v", got, want)
	}
	if r.Worst() != Medium || r.Count(Low) != 0 || r.Count(Medium) != 1 || r.result("key-old").Excused != 2 {
		t.Errorf("worst is %v, %d LOW, %d MEDIUM", r.Worst(), r.Count(Low), r.Count(Medium))
	}
}

// TestBounds: a report does not grow without end, and tells what it leaves out.
func TestBounds(t *testing.T) {
	check := NewChecker("here", Defaults(), now)
	k := good(func(k *Key) { k.Rotation = Known(Rotation{Possible: true}) })
	rule := rotationRules()[0]
	for range MaxFindings + 7 {
		check.report.note(&rule, failed("off"), Finding{Resource: "k"})
	}
	for i := range maxGaps + 7 {
		check.Gap(SubjectException, "x", fmt.Sprint("reason ", i))
	}
	r := check.Report()
	if len(r.Findings) != MaxFindings || r.More != 7 || len(r.Gaps) != maxGaps || r.result("key-rotation-off").Failed != MaxFindings+7 {
		t.Errorf("%d findings and %d more, %d gaps", len(r.Findings), r.More, len(r.Gaps))
	}
	other := NewChecker("there", Defaults(), now)
	other.Key(k)
	r.Merge(other.Report())
	if len(r.Findings) != MaxFindings || r.More != 8 || r.Place != "here, there" || r.result("key-rotation-off").Failed != MaxFindings+8 {
		t.Errorf("after merging %d findings and %d more of %s", len(r.Findings), r.More, r.Place)
	}
}

// TestCommands: names in commands are words, whatever is in them, and what is
// not known stays in braces.
func TestCommands(t *testing.T) {
	for _, c := range []struct {
		rule string
		k    *Key
		want string
	}{
		{"key-rotation-off", good(func(k *Key) { k.Rotation = Known(Rotation{Possible: true}) }), "holdfast key rotation enable k --region us-east-1"},
		{"key-rotation-off", good(func(k *Key) { k.Rotation, k.ID = Known(Rotation{Possible: true}), "a'; rm -rf /" }), `holdfast key rotation enable 'a'\''; rm -rf /' --region us-east-1`},
		{"key-rotation-off", good(func(k *Key) { k.Rotation, k.Place = Known(Rotation{Possible: true}), AWS }), "aws kms enable-key-rotation --region us-east-1 --key-id k"},
		{"key-rotation-off", good(func(k *Key) { k.Rotation, k.Place = Known(Rotation{Possible: true}), Vault }), ""},
		{"key-112-bits", good(func(k *Key) { k.Type, k.Usage = typed112(), "SIGN_VERIFY" }), "holdfast key create --spec ECC_NIST_P256 --usage SIGN_VERIFY --region us-east-1"},
		{"key-cryptoperiod", good(func(k *Key) { k.Renewed = Known(ago(2000)) }), "holdfast key rotate k --region us-east-1"},
		{"key-cryptoperiod", good(func(k *Key) {
			k.Renewed, k.Type, k.Rotation, k.Spec, k.Usage = Known(ago(2000)), TypeOf(alg.HMAC384, alg.GenerateVerifyMAC), Known(Rotation{}), "HMAC_384", "GENERATE_VERIFY_MAC"
		}), "holdfast key create --spec HMAC_384 --usage GENERATE_VERIFY_MAC --region us-east-1"},
		{
			"key-outside-hsm", good(func(k *Key) {
				k.Tags, k.Spec, k.Usage = []key.Tag{{Key: "protection", Value: "hsm"}}, "SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT"
			}),
			"holdfast key create --spec SYMMETRIC_DEFAULT --usage ENCRYPT_DECRYPT --hsm {hsm} --region us-east-1",
		},
	} {
		check := NewChecker("here", Defaults(), now)
		check.Key(c.k)
		for _, f := range check.Report().Findings {
			if f.Rule == c.rule && f.Command != c.want {
				t.Errorf("%s: %s, want %s", c.rule, f.Command, c.want)
			}
		}
		if check.report.result(c.rule).Failed != 1 {
			t.Errorf("%s: no finding", c.rule)
		}
	}
}

// TestExpired: an exception's last day counts, all of it, in UTC.
func TestExpired(t *testing.T) {
	x := &Exception{Until: "2026-11-23"}
	for at, want := range map[time.Time]bool{
		time.Date(2026, 11, 23, 23, 59, 59, 0, time.UTC): false,
		time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC):    true,
	} {
		if got := x.Expired(at); got != want {
			t.Errorf("at %v: %t", at, got)
		}
	}
}
