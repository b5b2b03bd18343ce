package status

import (
	"context"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/ca"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/store"
)

// A list is for everybody: whoever asks for it and hangs up at once does not
// keep others from having one with the newest revocation.
func TestHangingUpDoesNotHoldARevocationBack(t *testing.T) {
	f := newFixture(t)
	root := f.authority(t, "root", alg.P256, 0)
	f.list(t, root.ID, "", false)
	c := f.issue(t, root.ID)
	f.revoke(t, c, ca.KeyCompromise)
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	_, _ = f.PublicCRL(gone, root.ID, "", false) // whatever it says to nobody
	if d := cmp.Diff(map[string]ca.Reason{c.Serial: ca.KeyCompromise}, f.listed(t, root.ID, "", false)); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

// TestCompleteList follows the list of an authority through its life.
func TestCompleteList(t *testing.T) {
	f := newFixture(t)
	root := f.authority(t, "root", alg.P256, 0)
	first, _ := f.list(t, root.ID, "", false)
	if first.Number != 1 || first.Entries != 0 || first.NextUpdate.Sub(first.ThisUpdate) != DefaultValidity {
		t.Errorf("first list %+v", first)
	}
	want := map[string]ca.Reason{}
	for _, reason := range ca.Reasons() {
		c := f.issue(t, "root")
		f.revoke(t, c, reason)
		want[c.Serial] = reason
	}
	if d := cmp.Diff(want, f.listed(t, root.ID, "", false)); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	second, _ := f.list(t, root.ID, "", false)
	if again, _ := f.list(t, root.ID, "", false); again != second || second.Number != 2 {
		t.Errorf("list %d was made again, though not due", second.Number)
	}
	number := func() uint64 {
		t.Helper()
		f.tick(t)
		return f.Number(root.ID)
	}
	f.sleep(DefaultValidity/2 - time.Minute)
	if n := number(); n != 2 {
		t.Errorf("list %d before it is due", n)
	}
	f.sleep(2 * time.Minute)
	if n := number(); n != 3 {
		t.Errorf("list %d when it is due", n)
	}

	// After a restart the list is the same, and its number goes on.
	before, err := f.slot(scope{authority: root.ID}).current.Load().DER()
	must(t, err)
	f.open(t)
	after, err := f.slot(scope{authority: root.ID}).current.Load().DER()
	must(t, err)
	if d := cmp.Diff(before, after); d != "" {
		t.Error("the list is another one after a restart")
	}
	c := f.issue(t, "root")
	f.revoke(t, c, ca.Superseded)
	f.open(t) // a revocation outlives a restart
	if got := f.listed(t, root.ID, "", false); got[c.Serial] != ca.Superseded || f.Number(root.ID) != 4 {
		t.Errorf("list %d with %v", f.Number(root.ID), got)
	}
	f.configure(t, root.ID, func(c *ca.RevocationConfig) { c.CRL.ValidityDays = 2 })
	f.sleep(DefaultValidity)
	if l, _ := f.list(t, root.ID, "", false); l.NextUpdate.Sub(l.ThisUpdate) != 2*day {
		t.Errorf("list %+v, want 2 days", l)
	}
}

// TestExpired: an expired certificate is on one more list, and then forgotten.
func TestExpired(t *testing.T) {
	f := newFixture(t)
	root := f.authority(t, "root", alg.P256, 0)
	c := f.issue(t, "root")
	f.revoke(t, c, ca.KeyCompromise)
	f.list(t, root.ID, "", false)
	f.sleep(c.NotAfter.Sub(f.now()) + time.Hour)
	if got := f.listed(t, root.ID, "", false); len(got) != 1 {
		t.Errorf("the list after the end has %v", got)
	}
	rows := func() (n int) {
		must(t, f.store.View(t.Context(), func(r store.Reader) (err error) {
			n, err = r.Count(store.Revocations, store.Query{})
			return err
		}))
		return n
	}
	f.sleep(DefaultValidity)
	if got := f.listed(t, root.ID, "", false); len(got) != 0 || rows() != 0 {
		t.Errorf("the one after has %v, and %d rows are left", got, rows())
	}
	// Who revokes an expired certificate sees it on one list, too.
	f.revoke(t, f.issue(t, "root"), ca.Superseded) // keeps a list from being made of nothing
	late := f.issue(t, "root")
	f.sleep(late.NotAfter.Sub(f.now()) + 2*DefaultValidity)
	f.list(t, root.ID, "", false)
	f.sleep(time.Second)
	f.revoke(t, late, ca.KeyCompromise)
	if got := f.listed(t, root.ID, "", false); got[late.Serial] != ca.KeyCompromise {
		t.Errorf("an expired certificate's revocation is not seen: %v", got)
	}
}

// TestListWithoutKey: while the key is disabled, the old list serves until its
// nextUpdate, and asking does not try again and again.
func TestListWithoutKey(t *testing.T) {
	f := newFixture(t)
	root := f.authority(t, "root", alg.P256, 0)
	old, _ := f.list(t, root.ID, "", false)
	f.configure(t, root.ID, func(c *ca.RevocationConfig) { c.OCSP.Enabled = false })
	must(t, f.keys.DisableKey(t.Context(), f.admin(), refTo(root)))
	f.sleep(DefaultValidity / 2)
	if l, _ := f.list(t, root.ID, "", false); l != old {
		t.Error("not the old list")
	}
	tried := len(f.log.entries)
	for range 10 {
		f.list(t, root.ID, "", false)
	}
	if n := len(f.log.entries) - tried; n != 0 {
		t.Errorf("asking for the list made %d attempts", n)
	}
	f.sleep(DefaultValidity)
	if _, err := f.PublicCRL(t.Context(), root.ID, "", false); fault.KindOf(err) != fault.Unavailable || err == nil {
		t.Errorf("%v", err)
	}
	if _, err := f.Tick(t.Context()); err != nil {
		t.Errorf("Tick tries again at once: %v", err)
	}
	f.sleep(time.Hour)
	if _, err := f.Tick(t.Context()); fault.ReasonOf(err) != fault.KeyDisabled {
		t.Errorf("Tick: %v", err)
	}
	must(t, f.keys.EnableKey(t.Context(), f.admin(), refTo(root)))
	f.sleep(2 * time.Hour)
	if l, _ := f.list(t, root.ID, "", false); l.Number != 2 {
		t.Errorf("list %d after the key is back", l.Number)
	}
}

func TestNoSuchList(t *testing.T) {
	f := newFixture(t)
	root := f.authority(t, "root", alg.P256, 0)
	for _, of := range []scope{
		{"none", "", false}, {root.ID, "1", false}, {root.ID, "x", false}, {root.ID, "", true}, {root.ID, "-1", false}, {root.ID, "01", false},
	} {
		if _, err := f.PublicCRL(t.Context(), of.authority, of.shard, of.delta); fault.KindOf(err) != fault.NotFound || err == nil {
			t.Errorf("%+v: %v", of, err)
		}
	}
	f.configure(t, root.ID, func(c *ca.RevocationConfig) { c.CRL.Enabled = false })
	if _, err := f.PublicCRL(t.Context(), root.ID, "", false); fault.KindOf(err) != fault.NotFound || err == nil {
		t.Errorf("%v", err)
	}
	if _, err := f.CRL(t.Context(), f.admin(), "root", ""); fault.KindOf(err) != fault.WrongState || err == nil {
		t.Errorf("%v", err)
	}
	nobody := f.admin()
	nobody.Caller.Principal.Name = "nobody"
	if _, err := f.CRL(t.Context(), nobody, "root", ""); fault.KindOf(err) != fault.PermissionDenied || err == nil {
		t.Errorf("%v", err)
	}
	if _, err := f.CRL(t.Context(), f.admin(), "none", ""); fault.KindOf(err) != fault.NotFound || err == nil {
		t.Errorf("%v", err)
	}
	for _, get := range []func(context.Context, string) ([][]byte, error){f.PublicChain, f.PublicIssuers} {
		if list, err := get(t.Context(), root.ID); err != nil || len(list) != 1 {
			t.Errorf("%d certificates, %v", len(list), err)
		}
		if _, err := get(t.Context(), "none"); fault.KindOf(err) != fault.NotFound || err == nil {
			t.Error(err)
		}
	}
	if der, err := f.PublicCertificate(t.Context(), root.ID); err != nil || !slices.Equal(der, root.Certificate) {
		t.Error(err)
	}
}

// extension returns the value of an extension of a list and whether it is
// critical.
func extension(l *x509.RevocationList, number int) ([]byte, bool) {
	for _, e := range l.Extensions {
		if e.Id.Equal(asn1.ObjectIdentifier{2, 5, 29, number}) {
			return e.Value, e.Critical
		}
	}
	return nil, false
}

// TestShards: each shard's list has its own, the list of all has all, and a
// revocation touches no other shard's list.
func TestShards(t *testing.T) {
	f := newFixture(t)
	root := f.authority(t, "root", alg.P256, 0)
	old := f.issue(t, "root")
	f.configure(t, root.ID, func(c *ca.RevocationConfig) { c.CRL.Shards = 3 })
	all, byShard := map[string]ca.Reason{old.Serial: ca.Superseded}, map[string]map[string]ca.Reason{"1": {}, "2": {}, "3": {}}
	f.revoke(t, old, ca.Superseded)
	for range 12 {
		c := f.issue(t, "root")
		f.revoke(t, c, ca.KeyCompromise)
		all[c.Serial], byShard[c.Shard][c.Serial] = ca.KeyCompromise, ca.KeyCompromise
	}
	f.tick(t)
	if d := cmp.Diff(all, f.listed(t, root.ID, "", false)); d != "" {
		t.Errorf("all (-want +got):\n%s", d)
	}
	numbers := map[string]uint64{}
	for shard, want := range byShard {
		l, parsed := f.list(t, root.ID, shard, false)
		if d := cmp.Diff(want, f.listed(t, root.ID, shard, false)); d != "" {
			t.Errorf("shard %s (-want +got):\n%s", shard, d)
		}
		idp, critical := extension(parsed, 28)
		if !critical || !strings.Contains(string(idp), publicURL+"/pki/"+root.ID+"/"+shard+".crl") {
			t.Errorf("issuing distribution point %q, critical %v", idp, critical)
		}
		numbers[shard] = l.Number
	}
	c := f.issue(t, "root")
	f.revoke(t, c, ca.Superseded)
	f.tick(t)
	for shard, number := range numbers {
		if got, _ := f.list(t, root.ID, shard, false); (got.Number != number) != (shard == c.Shard) {
			t.Errorf("shard %s has list %d after a revocation in %s, and had %d", shard, got.Number, c.Shard, number)
		}
	}

	// Fewer shards: the lists of the old ones go on.
	f.configure(t, root.ID, func(c *ca.RevocationConfig) { c.CRL.Shards = 0 })
	f.open(t)
	f.sleep(DefaultValidity)
	f.tick(t)
	for shard := range byShard {
		if l, _ := f.list(t, root.ID, shard, false); !l.NextUpdate.After(f.now()) {
			t.Errorf("shard %s has a list until %s", shard, l.NextUpdate)
		}
	}
}

// TestDelta: a delta has what changed since its complete list, and the two
// together are what is revoked.
func TestDelta(t *testing.T) {
	f := newFixture(t)
	root := f.authority(t, "root", alg.P256, 0)
	f.configure(t, root.ID, func(c *ca.RevocationConfig) { c.CRL.Delta = true })
	held, other := f.issue(t, "root"), f.issue(t, "root")
	f.revoke(t, held, ca.CertificateHold)
	base, parsed := f.list(t, root.ID, "", false)
	if freshest, critical := extension(parsed, 46); critical || !strings.Contains(string(freshest), "/pki/"+root.ID+"/delta.crl") {
		t.Errorf("freshest CRL %q", freshest)
	}
	delta, parsed := f.list(t, root.ID, "", true)
	indicator, critical := extension(parsed, 27)
	if delta.Base != base.Number || delta.Number <= base.Number || len(parsed.RevokedCertificateEntries) != 0 || !critical || indicator[2] != byte(base.Number) {
		t.Errorf("delta %+v of %+v, indicator %x", delta, base, indicator)
	}
	// A long list is not made again for each change: then the delta tells.
	slow := *base
	slow.cost, slow.long = time.Hour, true
	f.slot(scope{authority: root.ID}).current.Store(&slow)
	f.release(t, held)
	f.revoke(t, other, ca.Superseded)
	if l, _ := f.list(t, root.ID, "", false); l.Number != base.Number {
		t.Errorf("the long list was made again: %d", l.Number)
	}
	want := map[string]ca.Reason{held.Serial: ca.RemoveFromCRL, other.Serial: ca.Superseded}
	if d := cmp.Diff(want, f.listed(t, root.ID, "", true)); d != "" {
		t.Errorf("delta (-want +got):\n%s", d)
	}
	// After a while it may be made again, and the delta begins anew.
	f.sleep(share * time.Hour)
	if d := cmp.Diff(map[string]ca.Reason{other.Serial: ca.Superseded}, f.tickedList(t, root.ID)); d != "" {
		t.Errorf("complete (-want +got):\n%s", d)
	}
	if got := f.listed(t, root.ID, "", true); len(got) != 0 {
		t.Errorf("delta after it: %v", got)
	}
	f.sleep(DeltaValidity)
	if l, _ := f.list(t, root.ID, "", true); l.NextUpdate.Sub(l.ThisUpdate) != DeltaValidity || !l.NextUpdate.After(f.now()) {
		t.Errorf("the delta a day later: %+v", l)
	}
	// What was released is forgotten when every list has shown it.
	f.sleep(DefaultValidity)
	f.tick(t)
	f.sleep(DefaultValidity)
	f.tick(t)
	must(t, f.store.View(t.Context(), func(r store.Reader) error {
		if _, err := r.Get(store.Revocations, ca.RevocationID(root.ID, held.Shard, held.Serial)); fault.KindOf(err) != fault.NotFound || err == nil {
			t.Errorf("the released hold is still there: %v", err)
		}
		return nil
	}))
}

// tickedList lets the clock come by and returns the list of all.
func (f *fixture) tickedList(t *testing.T, id string) map[string]ca.Reason {
	t.Helper()
	f.tick(t)
	return f.listed(t, id, "", false)
}

// TestTools: OpenSSL and GnuTLS agree with our lists, shards and deltas.
func TestTools(t *testing.T) {
	for _, c := range []struct {
		spec      alg.Spec
		algorithm alg.Algorithm
	}{{alg.P256, 0}, {alg.RSA2048, alg.PSSSHA256}, {alg.Ed25519, 0}, {alg.P521, 0}} {
		t.Run(c.spec.String(), func(t *testing.T) {
			f := newFixture(t)
			root := f.authority(t, "root", c.spec, c.algorithm)
			f.configure(t, root.ID, func(c *ca.RevocationConfig) { c.CRL.Shards, c.CRL.Delta = 2, true })
			good, revoked, later, held := f.issue(t, "root"), f.issue(t, "root"), f.issue(t, "root"), f.issue(t, "root")
			f.revoke(t, revoked, ca.KeyCompromise)
			f.revoke(t, held, ca.CertificateHold)
			f.tick(t)
			// From here on, only deltas tell.
			for _, shard := range []string{"", "1", "2"} {
				slot := f.slot(scope{authority: root.ID, shard: shard})
				slow := *slot.current.Load()
				slow.cost, slow.long = time.Hour, true
				slot.current.Store(&slow)
			}
			f.revoke(t, later, ca.Superseded)
			f.release(t, held)
			f.tick(t)
			anchor := write(t, "root.pem", "CERTIFICATE", root.Certificate)
			// The root's own certificate is on no shard's list: with one, only the
			// leaf is checked.
			verify := func(c *ca.Certificate, shard, which string, deltas bool) (string, error) {
				var ders [][]byte
				for _, delta := range []bool{false, true}[:map[bool]int{false: 1, true: 2}[deltas]] {
					l, err := f.PublicCRL(t.Context(), root.ID, shard, delta)
					must(t, err)
					der, err := l.DER()
					must(t, err)
					ders = append(ders, der)
				}
				args := []string{"verify", which, "-extended_crl", "-x509_strict", "-CAfile", anchor, "-CRLfile", write(t, "crl.pem", "X509 CRL", ders...)}
				if deltas {
					args = append(args, "-use_deltas")
				}
				return tool(t, "openssl", append(args, write(t, "leaf.pem", "CERTIFICATE", c.DER))...)
			}
			for _, check := range []struct {
				name    string
				c       *ca.Certificate
				deltas  bool
				revoked bool
			}{
				{"good", good, false, false},
				{"good, with deltas", good, true, false},
				{"revoked", revoked, false, true},
				{"revoked, with deltas", revoked, true, true},
				{"revoked later", later, false, false},
				{"revoked later, with deltas", later, true, true},
				{"on hold", held, false, true},
				{"released, with deltas", held, true, false},
			} {
				for shard, which := range map[string]string{check.c.Shard: "-crl_check", "": "-crl_check_all"} {
					out, err := verify(check.c, shard, which, check.deltas)
					if check.revoked != (err != nil) || check.revoked && !strings.Contains(out, "revoked") {
						t.Errorf("%s by the shard %q: %v\n%s", check.name, shard, err, out)
					}
				}
			}
			l, err := f.PublicCRL(t.Context(), root.ID, "", false)
			must(t, err)
			der, err := l.DER()
			must(t, err)
			if out, err := tool(t, "certtool", "--verify-crl", "--load-ca-certificate", anchor, "--infile", write(t, "crl.pem", "X509 CRL", der)); err != nil || strings.Contains(out, "Not verified") {
				t.Errorf("certtool: %v\n%s", err, out)
			}
		})
	}
}

// TestCrash: what a crash leaves of a list that was being made is removed, and
// the list before serves.
func TestCrash(t *testing.T) {
	f := newFixture(t)
	root := f.authority(t, "root", alg.P256, 0)
	f.revoke(t, f.issue(t, "root"), ca.Superseded)
	before, _ := f.list(t, root.ID, "", false)
	for _, name := range []string{unfinished + "123", root.ID + "/all-99.crl"} { // killed before the rename, and before the row
		must(t, os.WriteFile(filepath.Join(f.dir, name), []byte("half"), 0o600))
	}
	f.open(t)
	if l, _ := f.list(t, root.ID, "", false); l.Number != before.Number {
		t.Errorf("list %d, want %d", l.Number, before.Number)
	}
	var left []string
	must(t, filepath.WalkDir(f.dir, func(path string, e os.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			left = append(left, filepath.Base(path))
		}
		return err
	}))
	if d := cmp.Diff([]string{"all-1.crl"}, left); d != "" {
		t.Errorf("files (-want +got):\n%s", d)
	}
	// A folder that was lost, or not brought along, is filled again.
	must(t, os.RemoveAll(f.dir))
	f.open(t)
	if l, _ := f.list(t, root.ID, "", false); l.Number != before.Number+1 {
		t.Errorf("list %d after the folder was lost", l.Number)
	}
}

// TestEarlierVersion: the number goes on where an earlier version left it.
func TestEarlierVersion(t *testing.T) {
	f := newFixture(t)
	root := f.authority(t, "root", alg.P256, 0)
	must(t, f.store.Update(t.Context(), func(tx store.Tx) error {
		return tx.Put(store.Authorities, store.Row{ID: root.ID + "/crl", Columns: []string{"", ""}, Body: []byte(`{"v":1,"der":"MAA=","number":41,"revocations":3}`)})
	}))
	f.open(t)
	if l, _ := f.list(t, root.ID, "", false); l.Number != 42 {
		t.Errorf("list %d, want 42", l.Number)
	}
	f.open(t)
	if l, _ := f.list(t, root.ID, "", false); l.Number != 42 {
		t.Errorf("list %d after a restart, want 42", l.Number)
	}
}

// TestConcurrentRevocations: whoever asks after a revocation gets a list with
// it, and an OCSP answer, whatever else happens at the time.
func TestConcurrentRevocations(t *testing.T) {
	f := newFixture(t)
	root := f.authority(t, "root", alg.P256, 0)
	const workers, each = 6, 4
	var certificates [workers][each]*ca.Certificate
	for i := range workers {
		for j := range each {
			certificates[i][j] = f.issue(t, "root")
		}
	}
	var wg sync.WaitGroup
	failures := make(chan error, workers*each)
	for i := range workers {
		wg.Go(func() {
			for _, c := range certificates[i] {
				f.ask(t, c)
				if _, err := f.ca.Revoke(t.Context(), f.admin(), "root", c.Serial, ca.Superseded); err != nil {
					failures <- err
					continue
				}
				if got, _ := f.ask(t, c); got.Status != 1 {
					failures <- errors.New("a revoked certificate is good")
				}
				if _, ok := f.listed(t, root.ID, "", false)[c.Serial]; !ok {
					failures <- errors.New("a revoked certificate is not on the list")
				}
			}
		})
	}
	wg.Wait()
	close(failures)
	for err := range failures {
		t.Error(err)
	}
	if got := f.listed(t, root.ID, "", false); len(got) != workers*each {
		t.Errorf("%d on the list", len(got))
	}
}
