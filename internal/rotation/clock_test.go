package rotation_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/kms"
	"github.com/holdfast-kms/holdfast/internal/rotation"
	"github.com/holdfast-kms/holdfast/internal/succession"
)

// TestThreeYears lives through three years with a key of each sort.
func TestThreeYears(t *testing.T) {
	f := newFixture(t)
	symmetric := f.create(alg.AES256, alg.EncryptDecrypt, "alias/data")
	signing := f.create(alg.P256, alg.SignVerify, "alias/signing")
	f.create(alg.P256, alg.SignVerify, "")
	f.create(alg.P256, alg.KeyAgreement, "alias/agreement")
	own := f.create(alg.AES256, alg.EncryptDecrypt, "alias/own")
	must(t, f.keys.EnableRotation(t.Context(), f.admin(), byID(own.Name.ID), 400))
	f.put(rotation.Rule{Name: "all", OverlapDays: 90, NoticeDays: 30})
	var told []string
	for range 3*365 + 2 {
		f.pass(day, 12*time.Hour)
		told = append(told, f.events()...)
	}

	if n := len(f.key(byID(symmetric.Name.ID)).Versions); n != 4 {
		t.Errorf("the symmetric key has %d versions after three years, want 4", n)
	}
	if n := len(f.key(byID(own.Name.ID)).Versions); n != 3 {
		t.Errorf("the key that rotates every 400 days has %d versions after three years, want 3", n)
	}
	old, now := f.key(byID(signing.Name.ID)), f.key(byAlias("alias/signing"))
	if old.State != key.Disabled || old.Succession.To != now.Name.ID || now.Succession.From != old.Name.ID || now.State != key.Enabled {
		t.Errorf("the key that signed is %s, succeeded by %s; the alias leads to %s, which is %s", old.State, old.Succession.To, now.Name.ID, now.State)
	}
	var events []string
	for _, e := range told {
		if id := strings.Fields(e)[2]; !strings.HasPrefix(id, "alias/") {
			e = strings.Replace(e, id, "<id>", 1)
		}
		events = append(events, e)
	}
	want := []string{
		"2027-12-01 key.rotation-due alias/data", // in the notice before the first of January
		"2028-01-01 key.rotated alias/data",
		"2028-02-05 key.rotated alias/own",
		"2028-12-01 key.rotation-due <id>",
		"2028-12-01 key.rotation-due alias/agreement",
		"2028-12-01 key.rotation-due alias/data",
		"2028-12-01 key.rotation-due alias/signing",
		"2028-12-31 key.rotated alias/data",
		"2028-12-31 key.rotated alias/signing",
		"2029-03-11 key.rotated alias/own",
		"2029-12-01 key.rotation-due alias/data",
		"2029-12-31 key.rotated alias/data",
	}
	if diff := cmp.Diff(kinds(want), kinds(events)); diff != "" {
		t.Errorf("events, without their days: %s", diff)
	}
	for i, e := range events {
		if i < len(want) && distance(t, e, want[i]) > 2*day {
			t.Errorf("event %q, want about %q", e, want[i])
		}
	}
	acts := f.acts()
	slices.Sort(acts)
	if diff := cmp.Diff([]string{
		"Disable ok: the key's own rule",
		"Rotate ok: rotation rule all", "Rotate ok: rotation rule all", "Rotate ok: rotation rule all",
		"Rotate ok: the key's own rule", "Rotate ok: the key's own rule",
		"Succeed ok: rotation rule all",
	}, acts); diff != "" {
		t.Error(diff)
	}
}

// kinds returns events without their days, sorted.
func kinds(events []string) (list []string) {
	for _, e := range events {
		list = append(list, e[len(time.DateOnly)+1:])
	}
	slices.Sort(list)
	return list
}

// distance returns how far apart two events are.
func distance(t *testing.T, a, b string) time.Duration {
	t.Helper()
	x, err := time.Parse(time.DateOnly, a[:len(time.DateOnly)])
	must(t, err)
	y, err := time.Parse(time.DateOnly, b[:len(time.DateOnly)])
	must(t, err)
	return x.Sub(y).Abs()
}

// quickly is a rule that has keys rotated once within three days, whatever time
// of day is theirs.
var quickly = rotation.Rule{Name: "quickly", PeriodDays: 3, OverlapDays: 10}

// TestOverlap leads a key that signs through its succession.
func TestOverlap(t *testing.T) {
	f := newFixture(t)
	old := f.create(alg.P256, alg.SignVerify, "alias/signing", key.Tag{Key: "team", Value: "pki"})
	must(t, f.keys.CreateAlias(t.Context(), f.admin(), "alias/second", byID(old.Name.ID)))
	alias := byAlias("alias/signing")
	before := f.sign(alias)
	f.put(quickly)
	f.pass(3*day, time.Hour)
	next := f.key(alias)
	if next.Name.ID != succession.SuccessorOf(old.Name.ID) || f.key(byAlias("alias/second")).Name != next.Name {
		t.Fatalf("the alias leads to %s", next.Name.ID)
	}
	if next.Spec != old.Spec || next.Policy != old.Policy || !slices.Equal(next.Tags, old.Tags) || next.Engine != old.Engine {
		t.Errorf("the successor is %+v", next)
	}
	f.put(rotation.Rule{Name: "quickly", Mode: rotation.Notify, PeriodDays: 1, OverlapDays: 10}) // no third key

	after := f.sign(alias)
	_, err := f.keys.Sign(t.Context(), f.admin(), &kms.SignRequest{Key: byID(old.Name.ID), Algorithm: alg.ECDSASHA256, Message: engine.Message{Form: alg.Raw, Bytes: []byte("text")}})
	if fault.KindOf(err) != fault.WrongState || fault.ReasonOf(err) != fault.KeySucceeded {
		t.Errorf("the old key signs: %v", err)
	}
	type verification struct {
		name      string
		ref       kms.Ref
		text      string
		signature []byte
		by        key.ID
		kind      fault.Kind
	}
	check := func(when string, table []verification) {
		t.Helper()
		for _, c := range table {
			k, err := f.verify(f.admin(), c.ref, c.text, c.signature)
			if c.by == "" && (err == nil || fault.KindOf(err) != c.kind) || c.by != "" && (err != nil || k.Name.ID != c.by) {
				t.Errorf("%s, %s: %v, %v", when, c.name, k, err)
			}
		}
	}
	check("in the overlap", []verification{
		{"new by alias", alias, "text", after, next.Name.ID, 0},
		{"old by alias", alias, "text", before, old.Name.ID, 0},
		{"old by the old id", byID(old.Name.ID), "text", before, old.Name.ID, 0},
		{"old by the new id", byID(next.Name.ID), "text", before, "", fault.BadSignature},
		{"new by the old id", byID(old.Name.ID), "text", after, "", fault.BadSignature},
		{"a wrong one by alias", alias, "other", before, "", fault.BadSignature},
	})
	f.pass(11*day, time.Hour)
	check("after the overlap", []verification{
		{"new by alias", alias, "text", after, next.Name.ID, 0},
		{"old by alias", alias, "text", before, "", fault.BadSignature},
		{"old by the old id", byID(old.Name.ID), "text", before, "", fault.WrongState},
	})
	must(t, f.keys.EnableKey(t.Context(), f.admin(), byID(old.Name.ID)))
	f.pass(20*day, day)
	check("enabled again", []verification{{"old by alias", alias, "text", before, old.Name.ID, 0}})
	must(t, f.keys.DisableKey(t.Context(), f.admin(), byID(old.Name.ID)))
	check("disabled by hand", []verification{{"old by alias", alias, "text", before, "", fault.BadSignature}})
}

// TestEnabledAfterTheEnd holds that who enables a key after its end, though it
// was disabled by hand before, has the last word.
func TestEnabledAfterTheEnd(t *testing.T) {
	f := newFixture(t)
	old := byID(f.create(alg.P256, alg.SignVerify, "alias/signing").Name.ID)
	before := f.sign(byAlias("alias/signing"))
	f.put(quickly)
	f.pass(3*day, time.Hour)
	must(t, f.keys.DisableKey(t.Context(), f.admin(), old))
	must(t, f.Delete(t.Context(), f.admin(), "quickly"))
	f.pass(20*day, day)
	must(t, f.keys.EnableKey(t.Context(), f.admin(), old))
	f.pass(2*day, day)
	if k, err := f.verify(f.admin(), byAlias("alias/signing"), "text", before); err != nil || k.State != key.Enabled {
		t.Errorf("%v, %v", k, err)
	}
}

// TestDenied holds that the old key's own policy counts by the alias, too.
func TestDenied(t *testing.T) {
	f := newFixture(t)
	old := f.create(alg.P256, alg.SignVerify, "alias/signing")
	before := f.sign(byAlias("alias/signing"))
	f.put(quickly)
	f.pass(3*day, time.Hour)
	deny := key.Document{Dialect: old.Policy.Dialect, Text: `{"Version":"2012-10-17","Statement":[
		{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::123456789012:root"},"Action":"kms:*","Resource":"*"},
		{"Effect":"Deny","Principal":"*","Action":"kms:Verify","Resource":"*"}]}`}
	must(t, f.keys.PutPolicy(t.Context(), f.admin(), byID(old.Name.ID), deny, false))
	if _, err := f.verify(f.admin(), byAlias("alias/signing"), "text", before); fault.KindOf(err) != fault.BadSignature {
		t.Errorf("got %v", err)
	}
	f.log.mu.Lock()
	defer f.log.mu.Unlock()
	last := f.log.entries[len(f.log.entries)-2:]
	if last[0].Result != fault.PermissionDenied.String() || last[0].Resource != old.Resource().String() || last[1].Result != fault.BadSignature.String() {
		t.Errorf("on record: %+v", last)
	}
}

// TestOverlapEndsOnTime holds that a key ends when it was said, though the
// clock is late.
func TestOverlapEndsOnTime(t *testing.T) {
	f := newFixture(t)
	old := f.create(alg.P256, alg.SignVerify, "alias/signing")
	before := f.sign(byAlias("alias/signing"))
	f.put(quickly)
	f.pass(3*day, time.Hour)
	f.at = f.key(byID(old.Name.ID)).Succession.Until
	if _, err := f.verify(f.admin(), byAlias("alias/signing"), "text", before); fault.KindOf(err) != fault.BadSignature {
		t.Errorf("at the end of the overlap: %v", err)
	}
}

// TestDecryptAndMAC leads keys of other usages through their successions:
// what was encrypted with the old public half can be read as long as nobody
// disables the key.
func TestDecryptAndMAC(t *testing.T) {
	f := newFixture(t)
	f.create(alg.RSA2048, alg.EncryptDecrypt, "alias/mail")
	f.create(alg.HMAC256, alg.GenerateVerifyMAC, "alias/mac")
	ctx, mail, mac := t.Context(), byAlias("alias/mail"), byAlias("alias/mac")
	sealed, err := f.keys.Encrypt(ctx, f.admin(), &kms.EncryptRequest{Key: mail, Algorithm: alg.OAEPSHA256, Plaintext: []byte("secret")})
	must(t, err)
	code, err := f.keys.GenerateMAC(ctx, f.admin(), &kms.MACRequest{Key: mac, Algorithm: alg.HMACSHA256, Message: []byte("text")})
	must(t, err)
	f.put(quickly)
	f.pass(3*day, 6*time.Hour)
	f.put(rotation.Rule{Name: "quickly", Mode: rotation.Notify, PeriodDays: 30})
	verify := func() error {
		_, err := f.keys.VerifyMAC(ctx, f.admin(), &kms.VerifyMACRequest{MACRequest: kms.MACRequest{Key: mac, Algorithm: alg.HMACSHA256, Message: []byte("text")}, MAC: code.MAC})
		return err
	}
	decrypt := func() error {
		r, err := f.keys.Decrypt(ctx, f.admin(), &kms.DecryptRequest{Key: mail, Algorithm: alg.OAEPSHA256, Ciphertext: sealed.Ciphertext})
		if err == nil && (string(r.Plaintext) != "secret" || r.Key.Name != sealed.Key.Name) {
			return fmt.Errorf("got %q of key %s", r.Plaintext, r.Key.Name)
		}
		return err
	}
	must(t, verify())
	must(t, decrypt())
	f.pass(20*day, day)
	if err := verify(); fault.KindOf(err) != fault.BadSignature {
		t.Errorf("the code after the overlap: %v", err)
	}
	must(t, decrypt())
	_, err = f.keys.Encrypt(ctx, f.admin(), &kms.EncryptRequest{Key: byID(sealed.Key.Name.ID), Algorithm: alg.OAEPSHA256, Plaintext: []byte("secret")})
	if fault.ReasonOf(err) != fault.KeySucceeded {
		t.Errorf("the old key encrypts: %v", err)
	}
}

// TestKilled kills the process after each transaction of a tick: afterwards
// nothing is done twice, and nothing is left over.
func TestKilled(t *testing.T) {
	for n := range int64(8) { // telling, two keys, the lease
		f := newFixture(t)
		symmetric := f.create(alg.AES256, alg.EncryptDecrypt, "alias/data")
		old := f.create(alg.P256, alg.SignVerify, "alias/signing")
		f.put(quickly)
		f.at = f.at.Add(3 * day)
		made := f.engine.made.Load()
		f.disk.left.Store(n)
		_, err := f.Tick(t.Context())
		f.disk.left.Store(-1)
		if err == nil {
			if n < 4 {
				t.Errorf("killed after %d transactions, the tick was done", n)
			}
			break
		}
		f.keys, f.Service = f.server()
		f.at = f.at.Add(5 * time.Minute) // the lease of the dead
		tick(t, f.Tick, f.Tick)
		next := f.key(byAlias("alias/signing"))
		if f.key(byID(old.Name.ID)).Succession.To != next.Name.ID || len(f.key(byID(symmetric.Name.ID)).Versions) != 2 {
			t.Errorf("killed after %d: %+v", n, next)
		}
		if left := f.engine.made.Load() - made - f.engine.ended.Load(); left != 2 || f.keys.Keys() != 3 {
			t.Errorf("killed after %d: %d materials and %d keys are there", n, left, f.keys.Keys())
		}
		if told := kinds(f.events()); !slices.Equal(told, []string{
			"key.rotated alias/data", "key.rotated alias/signing", // and no more of its being due
		}) {
			t.Errorf("killed after %d: told of %q", n, told)
		}
	}
}

// TestServers has two servers do the same at the same time, and one take over
// when the other is gone.
func TestServers(t *testing.T) {
	f := newFixture(t)
	for i := range 20 {
		f.create(alg.P256, alg.SignVerify, fmt.Sprintf("alias/%d", i))
		f.create(alg.AES256, alg.EncryptDecrypt, "")
	}
	f.put(quickly)
	_, other := f.server()
	made := f.engine.made.Load()
	f.at = f.at.Add(3 * day)
	var both sync.WaitGroup
	for _, s := range []*rotation.Service{f.Service, other} {
		both.Go(func() {
			if _, err := s.Tick(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	both.Wait()
	if n := f.engine.made.Load() - made; n != 40 {
		t.Errorf("%d rotations of 40 keys", n)
	}
	for range 2 { // whoever had not the lease now has a picture of the past
		f.at = f.at.Add(10 * time.Minute)
		tick(t, other.Tick)
		f.at = f.at.Add(10 * time.Minute)
		tick(t, f.Tick)
	}
	if n := f.engine.made.Load() - made; n != 40 {
		t.Errorf("%d rotations of 40 keys, once the other server has taken over", n)
	}
}

// TestFailing holds that a key that cannot be rotated is tried again less and
// less often, keeps no other waiting, and is rotated once it can be.
func TestFailing(t *testing.T) {
	f := newFixture(t)
	f.create(alg.P256, alg.SignVerify, "alias/signing")
	f.put(quickly)
	f.engine.failing = errEngine
	f.at = f.at.Add(3 * day)
	for range 24 * 12 {
		f.at = f.at.Add(5 * time.Minute)
		_, _ = f.Tick(t.Context())
	}
	if n := len(f.acts()); n < 20 || n > 40 {
		t.Errorf("%d attempts in a day", n)
	}
	f.engine.failing = nil
	f.pass(2*time.Hour, 5*time.Minute)
	if f.key(byAlias("alias/signing")).Succession.From == "" {
		t.Error("the key has no successor")
	}
}

// TestOwners holds what is only told of: once, and nothing else happens.
func TestOwners(t *testing.T) {
	f := newFixture(t)
	f.create(alg.P256, alg.SignVerify, "alias/ca")
	_, err := f.keys.Delegate(t.Context(), f.admin(), byAlias("alias/ca"), "ca/1")
	must(t, err)
	f.create(alg.P256, alg.SignVerify, "alias/told")
	f.put(rotation.Rule{Name: "a", Select: rotation.Selector{Keys: []string{"alias/told"}}, Mode: rotation.Notify, PeriodDays: 10, NoticeDays: 3})
	f.put(rotation.Rule{Name: "b", PeriodDays: 10, NoticeDays: 3})
	made := f.engine.made.Load()
	f.pass(100*day, 6*time.Hour)
	if n := f.engine.made.Load(); n != made {
		t.Errorf("%d keys were made", n-made)
	}
	if got := kinds(f.events()); !slices.Equal(got, []string{"key.rotation-due alias/ca", "key.rotation-due alias/told"}) {
		t.Errorf("told of %q", got)
	}
}

// TestNotice holds that a new rule about old keys rotates none before its
// notice.
func TestNotice(t *testing.T) {
	f := newFixture(t)
	k := f.create(alg.AES256, alg.EncryptDecrypt, "alias/old")
	f.at = f.at.Add(1000 * day)
	f.put(rotation.Rule{Name: "late", NoticeDays: 14})
	f.pass(13*day, time.Hour)
	if n := len(f.key(byID(k.Name.ID)).Versions); n != 1 {
		t.Errorf("%d versions within the notice", n)
	}
	f.pass(4*day, time.Hour)
	if n := len(f.key(byID(k.Name.ID)).Versions); n != 2 {
		t.Errorf("%d versions after the notice", n)
	}
}
