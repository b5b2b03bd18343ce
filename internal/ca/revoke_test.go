package ca

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/cert"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/profile"
)

// listed returns the serials and reasons on the authority's current CRL.
func (f *fixture) listed(t *testing.T, id string) (*CRL, map[string]int) {
	t.Helper()
	crl, err := f.PublicCRL(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	list, err := x509.ParseRevocationList(crl.DER)
	if err != nil {
		t.Fatal(err)
	}
	if err := list.CheckSignatureFrom(f.live.Load().byID[id].cert); err != nil {
		t.Error(err)
	}
	if list.Number.Uint64() != crl.Number || !list.NextUpdate.Equal(crl.NextUpdate) || !list.ThisUpdate.Equal(crl.ThisUpdate) {
		t.Errorf("the list says %s, %s, %s; the record %+v", list.Number, list.ThisUpdate, list.NextUpdate, crl)
	}
	serials := map[string]int{}
	for _, e := range list.RevokedCertificateEntries {
		serials[cert.SerialText(e.SerialNumber)] = e.ReasonCode
	}
	return crl, serials
}

func (f *fixture) revoke(t *testing.T, c *Issued, r Reason) {
	t.Helper()
	if _, err := f.Revoke(t.Context(), f.as("admin"), c.Authority, c.Serial, r); err != nil {
		t.Fatal(err)
	}
}

// A CRL is for everybody: whoever asks for it and hangs up at once does not
// keep others from having one with the newest revocation.
func TestHangingUpDoesNotHoldARevocationBack(t *testing.T) {
	f := newFixture(t, "")
	root := f.authority(t, "root", alg.P256, "")
	f.listed(t, root.ID)
	c := f.issue(t, root.ID, "a.example.com")
	f.revoke(t, c, KeyCompromise)
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	_, _ = f.PublicCRL(gone, root.ID) // whatever it says to nobody
	if _, got := f.listed(t, root.ID); got[c.Serial] != int(KeyCompromise) || len(got) != 1 {
		t.Errorf("the CRL lists %v, want %s", got, c.Serial)
	}
}

func TestRevoke(t *testing.T) {
	f := newFixture(t, "")
	root := f.authority(t, "root", alg.P256, "")
	first, none := f.listed(t, root.ID)
	if first.Number != 1 || len(none) != 0 || first.NextUpdate.Sub(first.ThisUpdate) != CRLValidity {
		t.Errorf("first CRL %+v with %v", first, none)
	}
	want := map[string]int{}
	for _, reason := range Reasons() {
		c := f.issue(t, "root", "a.example.com")
		f.revoke(t, c, reason)
		want[c.Serial] = int(reason)
	}
	second, got := f.listed(t, root.ID)
	if d := cmp.Diff(want, got); d != "" || second.Number != 2 {
		t.Errorf("CRL %d (-want +got):\n%s", second.Number, d)
	}
	if again, _ := f.listed(t, root.ID); again != second {
		t.Error("a CRL that is not due was made again")
	}

	// Idempotent for the same reason, refused for another.
	c := f.issue(t, "root", "b.example.com")
	f.revoke(t, c, Superseded)
	before, err := f.Certificate(t.Context(), f.as("admin"), "root", c.Serial)
	if err != nil {
		t.Fatal(err)
	}
	f.clock = f.clock.Add(time.Hour)
	after, err := f.Revoke(t.Context(), f.as("admin"), "root", strings.ToUpper(c.Serial), Superseded)
	if err != nil || !after.RevokedAt.Equal(*before.RevokedAt) {
		t.Errorf("revoked again: %+v, %v", after, err)
	}
	_, err = f.Revoke(t.Context(), f.as("admin"), "root", c.Serial, KeyCompromise)
	wantFault(t, err, fault.WrongState, 0, "superseded")
	_, err = f.Revoke(t.Context(), f.as("admin"), "root", "00", Unspecified)
	wantFault(t, err, fault.NotFound, 0, "certificate")
	_, err = f.Revoke(t.Context(), f.as("admin"), "root", "zz", Unspecified)
	wantFault(t, err, fault.InvalidArgument, 0, "hexadecimal")
	for _, r := range []Reason{6, 7, 8, 11, -1} {
		_, err = f.Revoke(t.Context(), f.as("admin"), "root", c.Serial, r)
		wantFault(t, err, fault.InvalidArgument, 0, "reason")
	}
}

func TestReasons(t *testing.T) {
	for _, r := range Reasons() {
		if got, err := ParseReason(r.String()); err != nil || got != r {
			t.Errorf("%s reads as %d, %v", r, got, err)
		}
	}
	_, err := ParseReason("certificateHold")
	wantFault(t, err, fault.Unsupported, 0, "good")
	_, err = ParseReason("boredom")
	wantFault(t, err, fault.InvalidArgument, 0, "boredom")
}

// TestCRLInTime follows a CRL through its life.
func TestCRLInTime(t *testing.T) {
	f := newFixture(t, "")
	root := f.authority(t, "root", alg.P256, "")
	c := f.issue(t, "root", "a.example.com")
	f.revoke(t, c, KeyCompromise)
	refresh := func() uint64 {
		t.Helper()
		if more, err := f.TickLists(t.Context()); err != nil || more {
			t.Fatal(more, err)
		}
		return f.live.Load().byID[root.ID].crl.Number
	}
	if n := refresh(); n != 1 {
		t.Errorf("CRL %d", n)
	}
	f.clock = f.clock.Add(CRLValidity/2 - time.Minute)
	if n := refresh(); n != 1 {
		t.Errorf("CRL %d before it is due", n)
	}
	f.clock = f.clock.Add(2 * time.Minute)
	if n := refresh(); n != 2 {
		t.Errorf("CRL %d when it is due", n)
	}

	// An expired certificate is on one more CRL, then no longer.
	f.clock = c.NotAfter.Add(time.Hour)
	if crl, got := f.listed(t, root.ID); len(got) != 1 || crl.Number != 3 {
		t.Errorf("CRL %d after the end has %v", crl.Number, got)
	}
	f.clock = f.clock.Add(CRLValidity)
	if crl, got := f.listed(t, root.ID); len(got) != 0 || crl.Number != 4 {
		t.Errorf("CRL %d, the one after, has %v", crl.Number, got)
	}

	// Who revokes an expired certificate sees it on one CRL, too.
	late := f.issue(t, "root", "b.example.com")
	f.clock = late.NotAfter.Add(2 * CRLValidity)
	f.listed(t, root.ID)
	f.clock = f.clock.Add(time.Second)
	f.revoke(t, late, KeyCompromise)
	if _, got := f.listed(t, root.ID); len(got) != 1 {
		t.Errorf("an expired certificate's revocation is not seen: %v", got)
	}

	// After a restart the CRL is the same, and its number goes on.
	before, _ := f.listed(t, root.ID)
	f.Service = f.open(t, "")
	after, _ := f.listed(t, root.ID)
	if d := cmp.Diff(before.DER, after.DER); d != "" {
		t.Error("the CRL is another one after a restart")
	}
	f.revoke(t, f.issue(t, "root", "c.example.com"), Superseded)
	f.Service = f.open(t, "") // a revocation outlives a restart
	if crl, got := f.listed(t, root.ID); crl.Number != before.Number+1 || len(got) != 2 {
		t.Errorf("CRL %d with %v", crl.Number, got)
	}
}

// TestCRLWithoutKey: while the key is disabled, the old CRL serves until its
// nextUpdate, and asking does not try again and again.
func TestCRLWithoutKey(t *testing.T) {
	f := newFixture(t, "")
	root := f.authority(t, "root", alg.P256, "")
	old, _ := f.listed(t, root.ID)
	f.keys.keys[root.Key].disabled = true
	f.clock = f.clock.Add(CRLValidity / 2)
	if crl, _ := f.listed(t, root.ID); crl != old {
		t.Error("not the old CRL")
	}
	tried := len(f.log.entries)
	for range 10 {
		f.listed(t, root.ID)
	}
	if n := len(f.log.entries) - tried; n != 0 {
		t.Errorf("asking for the CRL made %d attempts", n)
	}
	f.clock = f.clock.Add(CRLValidity)
	_, err := f.PublicCRL(t.Context(), root.ID)
	wantFault(t, err, fault.Unavailable, 0, "CRL")
	if _, err := f.TickLists(t.Context()); err != nil {
		t.Errorf("Tick tries again at once: %v", err)
	}
	f.clock = f.clock.Add(time.Hour)
	if _, err := f.TickLists(t.Context()); fault.ReasonOf(err) != fault.KeyDisabled {
		t.Errorf("Tick: %v", err)
	}
	f.keys.keys[root.Key].disabled = false
	f.clock = f.clock.Add(2 * time.Hour)
	if crl, _ := f.listed(t, root.ID); crl.Number != 2 {
		t.Errorf("CRL %d after the key is back", crl.Number)
	}
	if _, err := f.PublicCRL(t.Context(), "none"); fault.KindOf(err) != fault.NotFound {
		t.Error(err)
	}
	if _, err := f.PublicCertificate(t.Context(), "none"); fault.KindOf(err) != fault.NotFound {
		t.Error(err)
	}
}

// TestTickInBatches: a tick is short, and says that there is more to do.
func TestTickInBatches(t *testing.T) {
	f := newFixture(t, "")
	for i := range tickBatch + 3 {
		f.authority(t, fmt.Sprintf("ca%d", i), alg.P256, "")
	}
	for _, want := range []bool{true, false} {
		if more, err := f.TickLists(t.Context()); more != want || err != nil {
			t.Errorf("more %v, %v", more, err)
		}
	}
	for _, a := range f.live.Load().byID {
		if a.crl == nil {
			t.Errorf("no CRL of %s", a.Name)
		}
	}
}

// TestCRLRecorded: making a CRL is an act of the authority, on record.
func TestCRLRecorded(t *testing.T) {
	f := newFixture(t, "")
	root := f.authority(t, "root", alg.P256, "")
	f.listed(t, root.ID)
	e := f.log.last()
	if e.Action != key.UpdateAuthority || e.Operation != "MakeCRL" || !strings.HasSuffix(e.Principal, "service:ca/"+root.ID) ||
		detail(e, "crl number") != "1" || e.Result != "ok" {
		t.Errorf("entry %+v", e)
	}
	if crl, err := f.CRL(t.Context(), f.as("admin"), "root"); err != nil || crl.Number != 1 {
		t.Errorf("%+v, %v", crl, err)
	}
}

// TestConcurrentRevocations: whoever asks after a revocation gets a CRL with
// it, whatever else happens at the time.
func TestConcurrentRevocations(t *testing.T) {
	f := newFixture(t, "")
	root := f.authority(t, "root", alg.P256, "")
	const workers, each = 8, 5
	var wg sync.WaitGroup
	failures := make(chan error, workers*each)
	for range workers {
		wg.Go(func() {
			for range each {
				failures <- func() error {
					c, err := f.Issue(t.Context(), f.as("admin"), &IssueRequest{
						Authority: "root", Profile: "tls-server", NewKey: alg.P256, Names: profile.Names{DNS: []string{"a.example.com"}},
					})
					if err != nil {
						return err
					}
					if _, err := f.Revoke(t.Context(), f.as("admin"), "root", c.Serial, Superseded); err != nil {
						return err
					}
					crl, err := f.PublicCRL(t.Context(), root.ID)
					if err != nil {
						return err
					}
					list, err := x509.ParseRevocationList(crl.DER)
					if err != nil {
						return err
					}
					if !slices.ContainsFunc(list.RevokedCertificateEntries, func(e x509.RevocationListEntry) bool {
						return cert.SerialText(e.SerialNumber) == c.Serial
					}) {
						return errors.New("a revoked certificate is not on the CRL")
					}
					return nil
				}()
			}
		})
	}
	wg.Wait()
	close(failures)
	for err := range failures {
		if err != nil {
			t.Error(err)
		}
	}
	if _, got := f.listed(t, root.ID); len(got) != workers*each {
		t.Errorf("%d on the CRL", len(got))
	}
}
