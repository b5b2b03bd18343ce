package aws

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-kms/holdfast/internal/key"
)

const (
	realm = key.DefaultRealm
	uuid  = "1234abcd-12ab-34cd-56ef-1234567890ab"
)

func TestResourceARN(t *testing.T) {
	for _, c := range []struct {
		arn      string
		resource key.Resource
	}{
		{"arn:aws:kms:us-east-1:123456789012:key/" + uuid, key.Resource{Kind: key.KindKey, Realm: realm, Region: "us-east-1", ID: uuid}},
		{"arn:aws:kms:us-east-1:123456789012:alias/a/b", key.Resource{Kind: key.KindAlias, Realm: realm, Region: "us-east-1", ID: "alias/a/b"}},
		{"arn:aws:acm-pca:us-east-1:123456789012:certificate-authority/" + uuid, key.Resource{Kind: key.KindAuthority, Realm: realm, Region: "us-east-1", ID: uuid}},
		{"arn:aws:acm-pca:us-east-1:123456789012:certificate-authority/" + uuid + "/certificate/0a1b", key.Resource{Kind: key.KindCertificate, Realm: realm, Region: "us-east-1", ID: uuid + "/0a1b"}},
		{"arn:aws:acm:us-east-1:123456789012:certificate/" + uuid, key.Resource{Kind: key.KindManaged, Realm: realm, Region: "us-east-1", ID: uuid}},
		{"arn:aws:iam::123456789012:user/ops/bob", key.Resource{Kind: key.KindUser, Realm: realm, ID: "ops/bob"}},
	} {
		if got := ResourceARN(c.resource); got != c.arn {
			t.Errorf("the ARN of %s is %s, want %s", c.resource, got, c.arn)
		}
		got, ok := ParseResource(c.arn)
		if !ok {
			t.Errorf("%s is no resource", c.arn)
		}
		if diff := cmp.Diff(c.resource, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.arn, diff)
		}
	}
	if got := ResourceARN(key.Resource{Realm: realm, Region: "us-east-1"}); got != "*" {
		t.Errorf("the realm at large is %q", got)
	}
	server := key.Resource{Kind: key.KindServer, Realm: realm, Region: "us-east-1", ID: "log"}
	if got := ResourceARN(server); got != "arn:aws:holdfast:us-east-1:123456789012:server/log" {
		t.Errorf("the server is %q", got)
	}
}

func TestNoResource(t *testing.T) {
	for _, arn := range []string{
		"", "*", "key/" + uuid, "arn:aws:kms:us-east-1:123456789012",
		"arn:aws:kms:us-east-1:123456789012:key/", "arn:aws:kms:us-east-1:123456789012:key",
		"arn:aws:kms::123456789012:key/" + uuid, "arn:aws:kms:us-east-1:12345678901:key/" + uuid,
		"arn:aws-cn:kms:us-east-1:123456789012:key/" + uuid, "urn:aws:kms:us-east-1:123456789012:key/" + uuid,
		"arn:aws:iam:us-east-1:123456789012:user/a", "arn:aws:s3:us-east-1:123456789012:bucket/b",
		"arn:aws:acm-pca:us-east-1:123456789012:certificate-authority/a/certificate/", "arn::kms:us-east-1:123456789012:key/a",
		"arn:aws:acm-pca:us-east-1:123456789012:certificate-authority/a/permission/b",
		"arn:aws:acm-pca:us-east-1:123456789012:certificate-authority/a/certificate/b/c",
	} {
		if r, ok := ParseResource(arn); ok {
			t.Errorf("%q is %v", arn, r)
		}
	}
}

func TestPrincipalARN(t *testing.T) {
	for _, c := range []struct {
		arn       string
		principal key.Principal
	}{
		{"arn:aws:iam::123456789012:root", key.Principal{Realm: realm, Kind: key.Root}},
		{"arn:aws:iam::123456789012:user/alice", key.Principal{Realm: realm, Kind: key.User, Name: "alice"}},
		{"arn:aws:iam::123456789012:role/ops/Deploy", key.Principal{Realm: realm, Kind: key.Role, Name: "ops/Deploy"}},
		{"arn:aws:sts::123456789012:assumed-role/Deploy/ci", key.Principal{Realm: realm, Kind: key.Session, Name: "Deploy/ci"}},
	} {
		if got := PrincipalARN(c.principal); got != c.arn {
			t.Errorf("the ARN of %s is %s, want %s", c.principal, got, c.arn)
		}
		got, ok := ParsePrincipal(c.arn)
		if diff := cmp.Diff(c.principal, got); !ok || diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.arn, diff)
		}
	}
	for want, p := range map[string]key.Principal{
		"arn:aws:sts::123456789012:assumed-role/Deploy/ci": {Realm: realm, Kind: key.Session, Name: "ops/Deploy/ci"},
		"acm-pca.amazonaws.com":                            {Realm: realm, Kind: key.Service, Name: "ca/" + uuid},
		"lifecycle":                                        {Realm: realm, Kind: key.Service, Name: "lifecycle"},
		"anonymous":                                        {Kind: key.Anonymous},
	} {
		if got := PrincipalARN(p); got != want {
			t.Errorf("%s is called %q, want %q", p, got, want)
		}
	}
}

func TestNoPrincipal(t *testing.T) {
	for _, arn := range []string{
		"", "alice", "123456789012", "arn:aws:iam::123456789012:user/", "arn:aws:iam::123456789012:user",
		"arn:aws:iam::123456789012:user/a*", "arn:aws:iam::123456789012:group/g", "arn:aws:iam::123456789012:roots",
		"arn:aws:iam:us-east-1:123456789012:user/a", "arn:aws:iam::1234:user/a", "arn:aws:sts::123456789012:assumed-role/r",
		"arn:aws:sts::123456789012:assumed-role/r/s/t", "arn:aws:sts::123456789012:root", "arn:aws:iam::123456789012:user//a",
		"arn:aws:iam::123456789012:assumed-role/r/s",
	} {
		if p, ok := ParsePrincipal(arn); ok {
			t.Errorf("%q is %v", arn, p)
		}
	}
}

// FuzzARN: what parses is written the same again.
func FuzzARN(f *testing.F) {
	for _, seed := range []string{
		"arn:aws:kms:us-east-1:123456789012:key/" + uuid, "arn:aws:kms:eu-west-1:123456789012:alias/a/b",
		"arn:aws:acm-pca:us-east-1:123456789012:certificate-authority/a/certificate/b",
		"arn:aws:iam::123456789012:root", "arn:aws:iam::123456789012:user/ops/bob",
		"arn:aws:sts::123456789012:assumed-role/Deploy/ci", "arn:aws:s3:::b:c:d", "arn:",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if a, ok := ParseARN(s); ok && a.String() != s {
			t.Errorf("%q is written %q", s, a)
		}
		if r, ok := ParseResource(s); ok && ResourceARN(r) != s {
			t.Errorf("%q is written %q", s, ResourceARN(r))
		}
		if p, ok := ParsePrincipal(s); ok && PrincipalARN(p) != s {
			t.Errorf("%q is written %q", s, PrincipalARN(p))
		}
	})
}
