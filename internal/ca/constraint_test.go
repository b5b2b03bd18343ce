package ca

import (
	"net/netip"
	"testing"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/profile"
)

// TestAuthorityConstraints bounds the names below an authority from its making
// on: by us, through its renewal and its successor, and by OpenSSL.
func TestAuthorityConstraints(t *testing.T) {
	f := newFixture(t, "http://pki.example.com")
	ctx := t.Context()
	root := f.authority(t, "root", alg.P256, "")
	bounds := &profile.NameConstraints{
		Critical:  true,
		Permitted: profile.Subtrees{DNS: []string{"example.com"}, IPs: []netip.Prefix{netip.MustParsePrefix("10.20.0.0/16")}},
		Excluded:  profile.Subtrees{DNS: []string{"secret.example.com"}},
	}
	one := 1
	bounded, err := f.CreateAuthority(ctx, f.as("admin"), &CreateAuthorityRequest{
		Name: "bounded", Key: f.keys.add(t, alg.P256), Subject: profile.Subject{CommonName: "Bounded"}, Parent: "root", PathLen: &one, Constraints: bounds,
	})
	if err != nil {
		t.Fatal(err)
	}
	f.authority(t, "below", alg.P256, "bounded")
	for _, step := range []struct {
		name string
		do   func() (*Authority, error)
	}{
		{"made", func() (*Authority, error) { return bounded, nil }},
		{"renewed", func() (*Authority, error) { return f.RenewAuthority(ctx, f.as("admin"), "bounded", 0) }},
		{"rekeyed", func() (*Authority, error) {
			return f.RekeyAuthority(ctx, f.as("admin"), "bounded", &RekeyRequest{})
		}},
	} {
		t.Run(step.name, func(t *testing.T) {
			a, err := step.do()
			if err != nil {
				t.Fatal(err)
			}
			if c := parse(t, a.Certificate); !c.PermittedDNSDomainsCritical || len(c.PermittedIPRanges) != 1 || len(c.ExcludedDNSDomains) != 1 {
				t.Errorf("constraints: critical %v, %v, %v", c.PermittedDNSDomainsCritical, c.PermittedIPRanges, c.ExcludedDNSDomains)
			}
			good := f.issue(t, "bounded", "web.example.com")
			f.verified(t, root.Certificate, [][]byte{a.Certificate}, good.DER)
			for _, issuer := range []string{"bounded", "below"} {
				for _, bad := range []string{"web.example.org", "a.secret.example.com"} {
					_, err := f.Issue(ctx, f.as("admin"), &IssueRequest{Authority: issuer, Profile: "tls-server", CSR: newCSR(t, alg.P256, csrFor(bad))})
					wantFault(t, err, fault.InvalidArgument, 0, "name_constraints")
				}
			}
		})
	}
	for name, req := range map[string]*CreateAuthorityRequest{
		"empty":   {Parent: "root", Constraints: &profile.NameConstraints{}},
		"pending": {Pending: true, Type: Subordinate, Constraints: bounds},
		"no name": {Constraints: &profile.NameConstraints{Permitted: profile.Subtrees{DNS: []string{"a b"}}}},
	} {
		req.Name, req.NewKey, req.Subject = "refused", alg.P256, profile.Subject{CommonName: "Refused"}
		if _, err := f.CreateAuthority(ctx, f.as("admin"), req); fault.KindOf(err) != fault.InvalidArgument {
			t.Errorf("%s: %v", name, err)
		}
	}
}
