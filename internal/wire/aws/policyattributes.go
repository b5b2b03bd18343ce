package aws

import (
	"slices"
	"strings"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/policy"
)

// The condition keys about the resource and the operation's parameters.

// attributes returns those of the operation, empty ones where it has none.
func attributes(r *policy.Request) *policy.Attributes {
	if r.Attributes == nil {
		return &policy.Attributes{}
	}
	return r.Attributes
}

func resourceAccount(r *policy.Request) (policy.Value, bool) {
	return present(string(r.Resource.Realm))
}

// tagValue returns the getter of a tag's value. Tags are told apart by case,
// the names in condition keys are not: the tag of the very name goes first.
func tagValue(name string, tags func(r *policy.Request) []key.Tag) getter {
	return func(r *policy.Request, i int) (policy.Value, bool) {
		if i > 0 {
			return policy.Value{}, false
		}
		var folded *key.Tag
		list := tags(r)
		for i := range list {
			if list[i].Key == name {
				return policy.Text(list[i].Value), true
			}
			if folded == nil && strings.EqualFold(list[i].Key, name) {
				folded = &list[i]
			}
		}
		if folded == nil {
			return policy.Value{}, false
		}
		return policy.Text(folded.Value), true
	}
}

func principalTag(name string) getter {
	return tagValue(name, func(r *policy.Request) []key.Tag { return r.Call.Caller.Tags })
}

func requestTag(name string) getter {
	return tagValue(name, func(r *policy.Request) []key.Tag { return attributes(r).Tags })
}

func resourceTag(name string) getter {
	return tagValue(name, func(r *policy.Request) []key.Tag {
		if r.Resource.Key == nil {
			return attributes(r).ResourceTags
		}
		return r.Resource.Key.Tags
	})
}

func contextValue(name string) getter {
	return tagValue(name, func(r *policy.Request) []key.Tag { return attributes(r).Context })
}

func tagKeys(r *policy.Request, i int) (policy.Value, bool) { return keyAt(attributes(r).Tags, i) }

func contextKeys(r *policy.Request, i int) (policy.Value, bool) {
	return keyAt(attributes(r).Context, i)
}

func keyAt(tags []key.Tag, i int) (policy.Value, bool) {
	if i >= len(tags) {
		return policy.Value{}, false
	}
	return policy.Text(tags[i].Key), true
}

// algorithmOf returns the key of the algorithms of one usage.
func algorithmOf(usages ...alg.Usage) func(r *policy.Request) (policy.Value, bool) {
	return func(r *policy.Request) (policy.Value, bool) {
		a := attributes(r).Algorithm
		return policy.Text(AlgorithmName(a)), a != alg.NoAlgorithm && slices.Contains(usages, a.Info().Usage)
	}
}

func messageType(r *policy.Request) (policy.Value, bool) {
	return present(FormName(attributes(r).Form))
}

func keySpec(r *policy.Request) (policy.Value, bool) {
	spec := attributes(r).Spec
	if r.Resource.Key != nil {
		spec = r.Resource.Key.Spec
	}
	return present(SpecName(spec))
}

// keyUsage is, for a key to be made without a word about it, the usual one of
// its spec.
func keyUsage(r *policy.Request) (policy.Value, bool) {
	a := attributes(r)
	usage := a.Usage
	if r.Resource.Key != nil {
		usage = r.Resource.Key.Usage
	}
	if usage == alg.NoUsage {
		usage = a.Spec.Usual()
	}
	return present(UsageName(usage))
}

func keyOrigin(r *policy.Request) (policy.Value, bool) {
	switch origin := attributes(r).Origin; {
	case r.Resource.Key != nil:
		return present(KeyOriginName(r.Resource.Key))
	case attributes(r).Store != "":
		return policy.Text(originHSM), true
	case origin != "":
		return present(OriginName(origin))
	default:
		return policy.Text(OriginName(key.Generated)), r.Action == key.CreateKey
	}
}

func wrappingAlgorithm(r *policy.Request) (policy.Value, bool) {
	return present(WrappingName(attributes(r).Wrapping))
}

func wrappingSpec(r *policy.Request) (policy.Value, bool) {
	return present(SpecName(attributes(r).WrappingSpec))
}

// The values of kms:ExpirationModel and of the member ExpirationModel.
const (
	Expires      = "KEY_MATERIAL_EXPIRES"
	NeverExpires = "KEY_MATERIAL_DOES_NOT_EXPIRE"
)

func expirationModel(r *policy.Request) (policy.Value, bool) {
	switch expiry := attributes(r).Expiry; {
	case expiry == nil:
		return policy.Value{}, false
	case expiry.At.IsZero():
		return policy.Text(NeverExpires), true
	default:
		return policy.Text(Expires), true
	}
}

func validTo(r *policy.Request) (policy.Value, bool) {
	expiry := attributes(r).Expiry
	if expiry == nil || expiry.At.IsZero() {
		return policy.Value{}, false
	}
	return policy.Time(expiry.At), true
}

// multiRegion is false for every key: there are no others yet.
func multiRegion(r *policy.Request) (policy.Value, bool) {
	return policy.Bool(false), r.Resource.Key != nil || r.Action == key.CreateKey
}

func requestAlias(r *policy.Request) (policy.Value, bool) { return present(attributes(r).Alias) }

func reEncryptSame(r *policy.Request) (policy.Value, bool) {
	same := attributes(r).ReEncryptSame
	return policy.Bool(same != nil && *same), same != nil
}

func periodDays(r *policy.Request) (policy.Value, bool) {
	days := attributes(r).PeriodDays
	return policy.Number(float64(days)), days != 0
}

func waitDays(r *policy.Request) (policy.Value, bool) {
	days := attributes(r).WaitDays
	return policy.Number(float64(days)), days != 0
}

func bypassLockout(r *policy.Request) (policy.Value, bool) {
	return policy.Bool(attributes(r).BypassLockout), r.Action == key.CreateKey || r.Action == key.PutKeyPolicy
}

// templates are the ACM PCA templates whose certificates the profiles of
// Holdfast's own are like. How long a path the profile "authority" allows is
// no part of the request: it counts as the template without any. A
// certificate for S/MIME, SPIFFE or a device is like none of AWS's: a policy
// that allows some templates does not allow these profiles.
var templates = map[string]string{
	"tls-server":       "EndEntityServerAuthCertificate/V1",
	"tls-client":       "EndEntityClientAuthCertificate/V1",
	"tls-mutual":       "EndEntityCertificate/V1",
	"code-signing":     "CodeSigningCertificate/V1",
	"ocsp-signer":      "OCSPSigningCertificate/V1",
	"root":             "RootCACertificate/V1",
	"authority":        "SubordinateCACertificate_PathLen0/V1",
	"subordinate-ca-0": "SubordinateCACertificate_PathLen0/V1",
	"subordinate-ca-1": "SubordinateCACertificate_PathLen1/V1",
	"subordinate-ca-2": "SubordinateCACertificate_PathLen2/V1",
	"subordinate-ca-3": "SubordinateCACertificate_PathLen3/V1",
}

// templateARN is the template asked for: by its own name, which a profile of
// a template has, or by that of a profile that is like one.
func templateARN(r *policy.Request) (policy.Value, bool) {
	name := attributes(r).Profile
	if _, ok := slices.BinarySearch(templateNames, name); ok {
		return policy.Text(TemplateARN(name)), true
	}
	template, ok := templates[name]
	return policy.Text(TemplateARN(template)), ok
}

func profile(r *policy.Request) (policy.Value, bool) { return present(attributes(r).Profile) }
