package aws

import (
	"strings"

	"github.com/holdfast-kms/holdfast/internal/policy"
)

// The condition keys about roles: what a request to assume one asks for, and
// what vouches for who asks ("IAM and AWS STS condition context keys", IAM User
// Guide).

// claimKey takes the key of a claim of a token apart, as in
// "oidc.example.com/id/1:sub". The issuer has a dot, a path or a port, which
// tells it from a service's name space.
func claimKey(name string) (issuer, claim string, ok bool) {
	i := strings.LastIndexByte(name, ':')
	if i < 0 || i == len(name)-1 {
		return "", "", false
	}
	issuer, claim = name[:i], name[i+1:]
	host, path, _ := strings.Cut(issuer, "/")
	host, port, ported := strings.Cut(host, ":")
	if host == "" || strings.Contains(path, ":") || ported && (port == "" || strings.Trim(port, "0123456789") != "") {
		return "", "", false
	}
	return issuer, claim, ported || strings.ContainsAny(issuer, "./")
}

// severalClaims are the claims that one token may make several times.
var severalClaims = map[string]bool{"aud": true, "oaud": true, "amr": true}

// claimOf returns the getter of a claim of an issuer's tokens, both in lower
// case: keys are not told apart by case. Another issuer's tokens do not have it.
func claimOf(issuer, claim string) getter {
	return func(r *policy.Request, i int) (policy.Value, bool) {
		a := r.Call.Caller.Assumption
		if a == nil || !strings.EqualFold(a.Issuer, issuer) {
			return policy.Value{}, false
		}
		for _, c := range a.Claims {
			if !strings.EqualFold(c.Key, claim) {
				continue
			}
			if i == 0 {
				return policy.Text(c.Value), true
			}
			i--
		}
		return policy.Value{}, false
	}
}

// assume returns what a request to assume a role asks for, empty for others.
func assume(r *policy.Request) *policy.Assume {
	if a := attributes(r).Assume; a != nil {
		return a
	}
	return &policy.Assume{}
}

func externalID(r *policy.Request) (policy.Value, bool) { return present(assume(r).ExternalID) }

func roleSessionName(r *policy.Request) (policy.Value, bool) { return present(assume(r).SessionName) }

func requestedSourceIdentity(r *policy.Request) (policy.Value, bool) {
	return present(assume(r).SourceIdentity)
}

func durationSeconds(r *policy.Request) (policy.Value, bool) {
	seconds := assume(r).Seconds
	return policy.Number(float64(seconds)), seconds != 0
}

func transitiveKeys(r *policy.Request, i int) (policy.Value, bool) {
	if keys := assume(r).Transitive; i < len(keys) {
		return policy.Text(keys[i]), true
	}
	return policy.Value{}, false
}

// sourceIdentity is that of the caller's own session.
func sourceIdentity(r *policy.Request) (policy.Value, bool) {
	if a := r.Call.Caller.Assumption; a != nil {
		return present(a.SourceIdentity)
	}
	return policy.Value{}, false
}

// federatedProvider is who vouched for the caller.
func federatedProvider(r *policy.Request) (policy.Value, bool) {
	a := r.Call.Caller.Assumption
	if a == nil || a.Issuer == "" {
		return policy.Value{}, false
	}
	return policy.Text("arn:" + Partition + ":iam::" + string(r.Call.Caller.Principal.Realm) + ":oidc-provider/" + a.Issuer), true
}
