package cluster_test

import (
	"crypto/x509"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-kms/holdfast/internal/cluster"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/kms"
)

// TestLife leads a cluster from its making to its end.
func TestLife(t *testing.T) {
	f := newFixture(t, "one", "two")
	c := f.create()
	if c.State() != cluster.Uninitialised || c.Request != nil || c.RetentionDays != 90 {
		t.Fatalf("a new cluster: %+v", c)
	}
	h := f.hsm(c.ID)
	if h.State != cluster.HSMActive || h.Token != "one" || h.Serial != "serial of one" || h.Zone.Network != "net-a" {
		t.Fatalf("a new HSM: %+v", h)
	}
	c = f.get(c.ID)
	request, err := x509.ParseCertificateRequest(c.Request)
	must(t, err)
	if request.Subject.CommonName != "cluster "+c.ID || request.Subject.SerialNumber != "serial of one" || c.State() != cluster.Uninitialised {
		t.Errorf("%s of a cluster %s", request.Subject, c.State())
	}
	second := f.hsm(c.ID)
	if again := f.get(c.ID); !slices.Equal(again.Request, c.Request) || second.Token != "two" {
		t.Error("the request is another one with a second HSM")
	}
	c, err = f.Initialise(t.Context(), f.admin(), c.ID, &cluster.Claim{Certificate: f.sign(c.Request), Anchor: inPEM(f.authority.Raw)})
	must(t, err)
	if c.State() != cluster.Active || c.Request != nil || !slices.Equal(c.Anchor, f.authority.Raw) {
		t.Errorf("claimed: %s", c.State())
	}
	_, err = f.Delete(t.Context(), f.admin(), c.ID)
	refused(t, "a cluster with HSMs", err, fault.WrongState, fault.InUse)
	must(t, f.DeleteHSM(t.Context(), f.admin(), c.ID, h.ID))
	must(t, f.DeleteHSM(t.Context(), f.admin(), c.ID, second.ID))
	if c = f.get(c.ID); c.State() != cluster.Active || len(c.HSMs) != 0 {
		t.Errorf("without HSMs: %s, %d", c.State(), len(c.HSMs))
	}
	c, err = f.Delete(t.Context(), f.admin(), c.ID)
	must(t, err)
	if c.State() != cluster.Deleted {
		t.Errorf("deleted: %s", c.State())
	}
	_, err = f.Delete(t.Context(), f.admin(), c.ID)
	refused(t, "a cluster that is gone", err, fault.NotFound, fault.NoSuchCluster)
	if len(f.changed) != 5 {
		t.Errorf("told of %v", f.changed)
	}
}

// TestStates has the states that tokens bring about.
func TestStates(t *testing.T) {
	f := newFixture(t, "one", "two")
	c := f.claimed()
	f.hsm(c.ID)
	for _, step := range []struct {
		what   string
		change func(*token)
		hsm    cluster.HSMState
		why    string
		state  cluster.State
	}{
		{"all well", func(*token) {}, cluster.HSMActive, "", cluster.Active},
		{"away", func(t *token) { t.away = true }, cluster.HSMDegraded, "the token is away", cluster.Degraded},
		{"back", func(t *token) { t.away = false }, cluster.HSMActive, "", cluster.Active},
		{"another token", func(t *token) { t.serial = "x" }, cluster.HSMDegraded, "another token is in its place: its serial number is x, not serial of one", cluster.Degraded},
	} {
		step.change(f.pool.tokens["one"])
		c = f.get(c.ID)
		if h := c.HSMs[0]; h.State != step.hsm || h.Why != step.why || c.State() != step.state {
			t.Errorf("%s: %s %q, cluster %s", step.what, h.State, h.Why, c.State())
		}
	}
	if serving := c.Serving(); len(serving) != 1 || serving[0].Token != "two" {
		t.Errorf("serving: %v", serving)
	}
}

// TestLateActivation claims a cluster whose token is away: it is active when
// the token is back.
func TestLateActivation(t *testing.T) {
	f := newFixture(t, "one")
	c := f.create()
	f.hsm(c.ID)
	c = f.get(c.ID)
	f.pool.tokens["one"].away = true
	f.clock = f.clock.Add(time.Minute)
	c, err := f.Initialise(t.Context(), f.admin(), c.ID, &cluster.Claim{Certificate: f.sign(c.Request), Anchor: inPEM(f.authority.Raw)})
	must(t, err)
	if c.State() != cluster.Initialised {
		t.Errorf("with its token away: %s", c.State())
	}
	f.tick()
	if c = f.get(c.ID); c.State() != cluster.Initialised {
		t.Errorf("still away: %s", c.State())
	}
	f.pool.tokens["one"].away = false
	f.clock = f.clock.Add(time.Minute)
	f.tick()
	if c = f.get(c.ID); c.State() != cluster.Active {
		t.Errorf("back: %s", c.State())
	}
}

func (f *fixture) tick() {
	f.t.Helper()
	for {
		more, err := f.Tick(f.t.Context())
		must(f.t, err)
		if !more {
			return
		}
	}
}

// TestClaim has what a cluster cannot be claimed with.
func TestClaim(t *testing.T) {
	f := newFixture(t, "one", "two")
	empty := f.create()
	_, err := f.Initialise(t.Context(), f.admin(), empty.ID, &cluster.Claim{})
	refused(t, "without an HSM", err, fault.WrongState, fault.Unspecified)
	f.hsm(empty.ID)
	c := f.get(empty.ID)
	good, anchor := f.sign(c.Request), inPEM(f.authority.Raw)
	other, otherKey := newAuthority(t, "owner", f.clock)
	stale, staleKey := newAuthority(t, "owner", f.clock.AddDate(-20, 0, 0))
	request, err := x509.ParseCertificateRequest(c.Request)
	must(t, err)
	leaf := issue(t, f.authority, f.key, otherKey.Public(), f.clock)
	for _, tt := range []struct {
		what   string
		claim  cluster.Claim
		reason fault.Reason
	}{
		{"nothing", cluster.Claim{}, fault.MalformedCertificate},
		{"no certificate", cluster.Claim{Certificate: []byte("x"), Anchor: anchor}, fault.MalformedCertificate},
		{"no anchor", cluster.Claim{Certificate: good}, fault.MalformedCertificate},
		{"two certificates", cluster.Claim{Certificate: append(slices.Clone(good), anchor...), Anchor: anchor}, fault.MalformedCertificate},
		{"for another key", cluster.Claim{Certificate: leaf, Anchor: anchor}, fault.CertificateMismatch},
		{"an anchor of the same name", cluster.Claim{Certificate: good, Anchor: inPEM(other.Raw)}, fault.MalformedCertificate},
		{"an anchor that is not self-signed", cluster.Claim{Certificate: good, Anchor: good}, fault.MalformedCertificate},
		{"an expired anchor", cluster.Claim{Certificate: issue(t, stale, staleKey, request.PublicKey, f.clock), Anchor: inPEM(stale.Raw)}, fault.MalformedCertificate},
		{"an expired certificate", cluster.Claim{Certificate: issue(t, f.authority, f.key, request.PublicKey, f.clock.AddDate(-2, 0, 0)), Anchor: anchor}, fault.MalformedCertificate},
	} {
		_, err := f.Initialise(t.Context(), f.admin(), c.ID, &tt.claim)
		refused(t, tt.what, err, fault.InvalidArgument, tt.reason)
	}
	text := append([]byte("Certificate:\n    Data: as openssl writes it\n"), good...)
	_, err = f.Initialise(t.Context(), f.admin(), c.ID, &cluster.Claim{Certificate: text, Anchor: anchor})
	must(t, err)
	_, err = f.Initialise(t.Context(), f.admin(), c.ID, &cluster.Claim{Certificate: good, Anchor: anchor})
	refused(t, "a second time", err, fault.WrongState, fault.Unspecified)
}

// TestTokens has which token a cluster gets.
func TestTokens(t *testing.T) {
	keys := []cluster.Object{{Class: "private key", Label: "somebody's"}}
	t.Run("neither taken, nor away, nor with keys of others", func(t *testing.T) {
		f := newFixture(t, "taken", "away", "strange", "free")
		f.hsm(f.create().ID)
		f.pool.tokens["away"].away, f.pool.tokens["strange"].objects = true, keys
		c := f.create()
		if h := f.hsm(c.ID); h.Token != "free" {
			t.Errorf("got %s", h.Token)
		}
		_, err := f.CreateHSM(t.Context(), f.admin(), c.ID, "a")
		refused(t, "no token left", err, fault.LimitExceeded, fault.Unspecified)
		if !strings.Contains(err.Error(), "away") {
			t.Errorf("the reason is missing: %v", err)
		}
	})
	t.Run("a blank one is initialised", func(t *testing.T) {
		f := newFixture(t, "blank")
		f.pool.tokens["blank"].blank = true
		if h := f.hsm(f.create().ID); h.Serial != "new serial of blank" {
			t.Errorf("serial %s", h.Serial)
		}
	})
	t.Run("the one that has the cluster's keys", func(t *testing.T) {
		f := newFixture(t, "one", "two")
		c := f.claimed()
		f.pool.tokens["one"].objects = keys
		must(t, f.DeleteHSM(t.Context(), f.admin(), c.ID, c.HSMs[0].ID))
		f.pool.names = []string{"two", "one"}
		if h := f.hsm(f.create().ID); h.Token != "two" {
			t.Errorf("another cluster got %s", h.Token)
		}
		if h := f.hsm(c.ID); h.Token != "one" {
			t.Errorf("the cluster got %s", h.Token)
		}
	})
	t.Run("no other when those keys are away", func(t *testing.T) {
		f := newFixture(t, "one", "two")
		c := f.claimed()
		f.pool.tokens["one"].objects = keys
		must(t, f.DeleteHSM(t.Context(), f.admin(), c.ID, c.HSMs[0].ID))
		f.pool.tokens["one"].away = true
		_, err := f.CreateHSM(t.Context(), f.admin(), c.ID, "a")
		refused(t, "without its token", err, fault.Unavailable, fault.Unspecified)
	})
	t.Run("one without keys is free for all", func(t *testing.T) {
		f := newFixture(t, "one")
		c := f.create()
		must(t, f.DeleteHSM(t.Context(), f.admin(), c.ID, f.hsm(c.ID).ID))
		if c = f.get(c.ID); c.Request != nil || len(f.pool.tokens["one"].marks) != 0 {
			t.Errorf("left behind: request %x, marks %v", c.Request, f.pool.tokens["one"].marks)
		}
		f.hsm(f.create().ID)
	})
	t.Run("none when it cannot be made ready", func(t *testing.T) {
		f := newFixture(t, "one")
		c := f.create()
		f.pool.tokens["one"].broken = true
		_, err := f.CreateHSM(t.Context(), f.admin(), c.ID, "a")
		refused(t, "a broken token", err, fault.Unavailable, fault.Unspecified)
		if c = f.get(c.ID); len(c.HSMs) != 0 {
			t.Errorf("%d HSMs are left", len(c.HSMs))
		}
		f.pool.tokens["one"].broken = false
		f.hsm(c.ID)
	})
	t.Run("no such zone", func(t *testing.T) {
		f := newFixture(t, "one")
		_, err := f.CreateHSM(t.Context(), f.admin(), f.create().ID, "c")
		refused(t, "another zone", err, fault.InvalidArgument, fault.Unspecified)
	})
}

// TestRestart holds that everything is there after a restart.
func TestRestart(t *testing.T) {
	f := newFixture(t, "one", "two")
	c := f.claimed()
	must(t, f.Tag(t.Context(), f.admin(), cluster.Thing{Kind: key.KindCluster, ID: c.ID}, []key.Tag{{Key: "env", Value: "prod"}}))
	before := f.get(c.ID)
	f.Service = f.open()
	after := f.get(c.ID)
	if after.State() != cluster.Active || len(after.HSMs) != 1 || after.HSMs[0] != before.HSMs[0] || !slices.Equal(after.Tags, before.Tags) ||
		!slices.Equal(after.Certificate, before.Certificate) || after.Zones[1] != before.Zones[1] {
		t.Errorf("got  %+v\nwant %+v", after, before)
	}
	if h := f.hsm(c.ID); h.Token != "two" {
		t.Errorf("the token that was taken is taken again: %s", h.Token)
	}
}

// TestListing pages through clusters.
func TestListing(t *testing.T) {
	f := newFixture(t)
	var want []string
	for range 5 {
		want = append(want, f.create().ID)
		f.clock = f.clock.Add(time.Second)
	}
	var got []string
	l := cluster.List{Page: kms.Page{Limit: 2}}
	for {
		list, next, err := f.List(t.Context(), f.admin(), l)
		must(t, err)
		for _, c := range list {
			got = append(got, c.ID)
		}
		if next == "" {
			break
		}
		l.Page.After = next
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	elsewhere := f.admin()
	elsewhere.Region = "us-east-1"
	list, _, err := f.List(t.Context(), elsewhere, cluster.List{})
	if err != nil || len(list) != 0 {
		t.Errorf("another region has %d clusters: %v", len(list), err)
	}
	_, err = f.Delete(t.Context(), elsewhere, want[0])
	refused(t, "another region's", err, fault.NotFound, fault.NoSuchCluster)
}
