package policy_test

import (
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/policy"
)

// Whole documents as people write them, from testdata/documents.

func read(t *testing.T, name string) string {
	t.Helper()
	doc, err := os.ReadFile(filepath.Join("testdata", "documents", name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	return string(doc)
}

func TestDocuments(t *testing.T) {
	byRole := func(role string) func(*policy.Request) {
		return func(r *policy.Request) {
			r.Call.Caller = key.Caller{Principal: key.Principal{Realm: home, Kind: key.Session, Name: role + "/s"}}
		}
	}
	signing := func(role string, a alg.Algorithm) func(*policy.Request) {
		return func(r *policy.Request) {
			byRole(role)(r)
			r.Attributes = &policy.Attributes{Algorithm: a, Form: alg.Digest}
		}
	}
	console, certificates := read(t, "console"), read(t, "certificates")
	const refused = "not allowed by the key: " + nothing
	check(t, []specification{
		{name: "default: the root", key: read(t, "default"), who: "root", action: key.ScheduleKeyDeletion, want: "allow: " + byRoot},
		{name: "default: an administrator", key: read(t, "default"), who: "alice", identity: []string{adminStatement}, want: "allow: " + byOwn},
		{name: "default: a user", key: read(t, "default"), who: "alice", want: "not allowed by identity: " + noOwn},

		{name: "console: the application encrypts", key: console, who: "alice", edit: byRole("app"), want: `allow: key policy statement "Allow use of the key"`},
		{name: "console: and re-encrypts", key: console, who: "alice", action: key.ReEncryptTo, edit: byRole("app"), want: `allow: key policy statement "Allow use of the key"`},
		{name: "console: but grants nothing itself", key: console, who: "alice", action: key.CreateGrant, edit: byRole("app"), want: "not allowed by identity: " + noOwn},
		{name: "console: nor changes the policy", key: console, who: "alice", action: key.PutKeyPolicy, edit: byRole("app"), want: "not allowed by identity: " + noOwn},
		{
			name: "console: the administrator does", key: console, who: "alice", action: key.PutKeyPolicy,
			edit: func(r *policy.Request) { r.Call.Caller.Principal.Name = "admin" },
			want: `allow: key policy statement "Allow access for Key Administrators"`,
		},
		{
			name: "console: the administrator does not encrypt", key: console, who: "alice",
			edit: func(r *policy.Request) { r.Call.Caller.Principal.Name = "admin" },
			want: "not allowed by identity: " + noOwn,
		},

		{
			name: "certificates: signed with the algorithm", key: certificates, who: "alice", action: key.Sign,
			edit: signing("certificates", alg.PKCS1SHA256), want: `allow: key policy statement "SignCertificates"`,
		},
		{
			name: "certificates: not with another one", key: certificates, who: "alice", action: key.Sign,
			edit: signing("certificates", alg.PSSSHA256), want: refused,
		},
		{
			name: "certificates: nor where the request has no algorithm", key: certificates, who: "alice", action: key.GetPublicKey,
			edit: byRole("certificates"), want: refused,
		},
		{name: "certificates: the private CA signs", key: certificates, who: "ca", action: key.Sign, want: `allow: key policy statement "PrivateCA"`},
		{name: "certificates: that of another account does not", key: certificates, who: "eve-ca", action: key.Sign, want: refused},
		{name: "certificates: the root is locked out", key: certificates, who: "root", action: key.PutKeyPolicy, want: refused},
	})
}

// A policy serves many requests at once.
func TestConcurrentDecisions(t *testing.T) {
	p := compile(t, `{"Effect":"Allow","Action":"kms:*","Resource":"arn:aws:kms:${aws:RequestedRegion}:*:key/*",
		"Condition":{"StringLike":{"aws:PrincipalArn":"*user/${aws:username}"}}}`, policy.ForIdentity)
	own := compile(t, rootStatement, policy.ForResource)
	var group sync.WaitGroup
	for _, who := range []string{"alice", "bob"} {
		in := policy.Input{Request: request(t, who), Resource: own, Identity: []*policy.Policy{p}}
		for range 4 {
			group.Go(func() {
				for range 200 {
					if got, want := policy.Decide(in).Allowed, who == "alice"; got != want {
						t.Errorf("%s is allowed: %v, want %v", who, got, want)
						return
					}
				}
			})
		}
	}
	group.Wait()
}
