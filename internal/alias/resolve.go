package alias

import (
	"github.com/holdfast-kms/holdfast/internal/catalog"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/guard"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/policy"
)

// Resolve finds the key that a caller names.
func Resolve(keys *catalog.Catalog, call *key.Call, ref Ref) (*catalog.Entry, error) {
	realm, region := ref.Realm, ref.Region
	if realm == "" {
		realm = call.Caller.Principal.Realm
	}
	if region == "" {
		region = call.Region
	}
	if region != call.Region {
		return nil, &fault.Error{
			Kind: fault.NotFound, Reason: fault.ForeignRegion, Resource: region,
			Public: "the key is named in region " + region + ", the request is for region " + call.Region,
		}
	}
	id := ref.ID
	if ref.Alias != "" {
		a, ok := keys.Alias(realm, region, ref.Alias)
		if !ok {
			return nil, aliasNotFound(realm, region, ref.Alias)
		}
		id = a.Target
	}
	return keys.Find(key.Name{Realm: realm, Region: region, ID: id})
}

// Own is Resolve for an action that only the key's own realm may do. A key's
// policy can let callers of other realms use the key; it cannot let them
// manage it, name it, or read how it is managed ("Allowing users in other
// accounts to use a KMS key", AWS KMS Developer Guide).
func Own(keys *catalog.Catalog, v *guard.Visit, action key.Action, ref Ref) (*catalog.Entry, error) {
	e, err := Resolve(keys, v.Call, ref)
	if err != nil {
		return nil, err
	}
	if e.Key.Name.Realm != v.Call.Caller.Principal.Realm {
		return nil, v.Deny(e.Target(action, nil), fault.NoResourcePolicyAllows, "the action is for callers of the key's own realm")
	}
	return e, nil
}

// RealmTarget is what to authorise where no single resource is concerned.
func RealmTarget(call *key.Call, action key.Action, attributes *policy.Attributes) guard.Target {
	return guard.Target{Action: action, Attributes: attributes, Resource: key.Resource{
		Realm: call.Caller.Principal.Realm, Region: call.Region,
	}}
}
