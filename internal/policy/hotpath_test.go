package policy_test

import (
	"testing"

	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/policy"
	"github.com/holdfast-kms/holdfast/internal/wire/aws"
)

// usual is the input of nearly every request: the default key policy, and an
// administrator's policy that it lets in.
func usual(t testing.TB) policy.Input {
	t.Helper()
	return policy.Input{
		Request:  request(t, "alice"),
		Resource: compile(t, aws.DefaultKeyPolicy(home).Text, policy.ForResource),
		Identity: []*policy.Policy{compile(t, adminStatement, policy.ForIdentity).Named("admin")},
	}
}

// hot are the inputs whose decisions may not allocate.
func hot(t testing.TB) map[string]policy.Input {
	t.Helper()
	inputs := map[string]policy.Input{}
	add := func(name string, change func(*policy.Input)) {
		in := usual(t)
		change(&in)
		inputs[name] = in
	}
	add("an administrator", func(*policy.Input) {})
	add("the root", func(in *policy.Input) { in.Request.Call.Caller, in.Identity = callers["root"], nil })
	add("a user whom the key names", func(in *policy.Input) {
		in.Resource = compile(t, rootStatement+","+aliceStatement, policy.ForResource)
	})
	add("a session of a role whom the key names", func(in *policy.Input) {
		in.Request.Call.Caller = callers["deployer"]
		in.Resource = compile(t, `{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::123456789012:role/Deploy"},"Action":"kms:*","Resource":"*"}`, policy.ForResource)
	})
	add("a user whom nothing allows", func(in *policy.Input) { in.Identity = nil })
	add("a stranger", func(in *policy.Input) { in.Request.Call.Caller, in.Identity = callers["eve"], nil })
	add("a condition on another action", func(in *policy.Input) {
		in.Resource = compile(t, rootStatement+`,{"Effect":"Deny","Principal":"*","Action":"kms:Sign","Resource":"*",
			"Condition":{"StringEquals":{"kms:SigningAlgorithm":"ECDSA_SHA_256"}}}`, policy.ForResource)
	})
	return inputs
}

func TestHotPathAllocatesNothing(t *testing.T) {
	for name, in := range hot(t) {
		if n := testing.AllocsPerRun(100, func() { policy.Decide(in) }); n != 0 {
			t.Errorf("%s: %v allocations, want none", name, n)
		}
	}
}

// A condition and a resource's name cost one allocation each: the request
// that the getters look at, and the ARN.
func TestConditionsAllocateLittle(t *testing.T) {
	in := usual(t)
	in.Identity = []*policy.Policy{compile(t, `{"Effect":"Allow","Action":"kms:*","Resource":"arn:aws:kms:*:*:key/*","Condition":{
		"StringEquals":{"kms:EncryptionAlgorithm":"SYMMETRIC_DEFAULT"},"Bool":{"aws:SecureTransport":"true"},
		"IpAddress":{"aws:SourceIp":"203.0.113.0/24"},"DateLessThan":{"aws:CurrentTime":"2027-01-01"}}}`, policy.ForIdentity)}
	if !policy.Decide(in).Allowed {
		t.Fatal("refused")
	}
	if n := testing.AllocsPerRun(100, func() { policy.Decide(in) }); n > 2 {
		t.Errorf("%v allocations, want at most 2", n)
	}
}

func BenchmarkDecide(b *testing.B) {
	for name, in := range hot(b) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				policy.Decide(in)
			}
		})
	}
}

func BenchmarkDecideWithConditions(b *testing.B) {
	in := usual(b)
	in.Request.Action = key.Encrypt
	in.Identity = []*policy.Policy{compile(b, `{"Effect":"Allow","Action":"kms:*","Resource":"arn:aws:kms:*:*:key/*","Condition":{
		"StringEquals":{"kms:EncryptionAlgorithm":"SYMMETRIC_DEFAULT","aws:ResourceTag/owner":"${aws:username}"},
		"IpAddress":{"aws:SourceIp":"203.0.113.0/24"}}}`, policy.ForIdentity)}
	b.ReportAllocs()
	for b.Loop() {
		policy.Decide(in)
	}
}

func BenchmarkCompile(b *testing.B) {
	doc := []byte(aws.DefaultKeyPolicy(home).Text)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := policy.Compile(doc, policy.ForResource, aws.Vocabulary()); err != nil {
			b.Fatal(err)
		}
	}
}
