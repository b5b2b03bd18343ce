package survey

import (
	"context"
	"slices"
	"time"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/compliance"
	"github.com/holdfast-kms/holdfast/internal/identity"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/kms"
	"github.com/holdfast-kms/holdfast/internal/policy"
)

// maxDecisions bounds the simulation of policies: what is beyond it is not
// evaluated. A decision takes less than a microsecond.
const maxDecisions = 2_000_000

// keys judges the realm's keys.
func (c *check) keys(ctx context.Context) error {
	c.holders = c.c.Holders.Holders(c.realm)
	c.mayList = c.may(key.ListUsers, key.KindUser) && c.may(key.ListRoles, key.KindRole)
	seen := 0
	hidden, err := c.c.Keys.Each(ctx, c.visit, func(o *kms.Overview) error {
		seen++
		c.Key(c.keyFacts(o))
		return nil
	})
	if hidden > 0 {
		c.Gap(compliance.SubjectKey, "keys of the realm", "the caller may not describe some keys")
	}
	c.visit.NoteInt("keys", seen)
	c.visit.NoteInt("hidden", hidden)
	return err
}

// keyFacts returns what is known of a key.
func (c *check) keyFacts(o *kms.Overview) *compliance.Key {
	k := o.Key
	facts := &compliance.Key{
		Place: compliance.Holdfast, Resource: k.Name.String(), ID: string(k.Name.ID), Region: k.Name.Region,
		Type: compliance.TypeOf(k.Spec, k.Usage), Tags: k.Tags, Foreign: k.Provided, Succeeded: k.Succession.To != "",
		State: compliance.Known(k.State), Created: compliance.Known(k.CreatedAt), Renewed: compliance.Known(k.Current().CreatedAt),
		Rotation: compliance.Known(compliance.Rotation{
			Possible: k.Spec == alg.AES256 && k.Usage == alg.EncryptDecrypt && k.Origin == key.Generated && k.Store == "", Enabled: k.Rotation.Enabled, Days: k.Rotation.PeriodDays,
		}),
		Protection: compliance.Known(k.Protection), Origin: compliance.Known(k.Origin), Exportable: compliance.Known(k.Exportable),
		Policy: c.statements(o), Activity: c.activityOf(k), Both: c.both(o),
	}
	facts.Spec, facts.Usage = c.c.Words(k.Spec, k.Usage)
	if o.Name != facts.ID {
		facts.Name = o.Name
	}
	if a, ok := c.authorities[k.Name.ID]; ok {
		facts.Authority = a.ID
	}
	return facts
}

// statements returns what a key's policy says, to a caller who may read it.
func (c *check) statements(o *kms.Overview) compliance.Fact[[]compliance.Statement] {
	t := o.Target
	t.Action = key.GetKeyPolicy
	if !c.visit.May(t) {
		return compliance.Unknown[[]compliance.Statement]("the caller may not read the key's policy")
	}
	list, err := c.c.Statements(o.Key.Policy)
	if err != nil {
		return compliance.Unknown[[]compliance.Statement]("the key's policy cannot be read")
	}
	return compliance.Known(list)
}

// activityOf returns what the audit log tells of a key.
func (c *check) activityOf(k *key.Key) compliance.Fact[compliance.Activity] {
	since, ok := c.since.Get()
	if !ok {
		return compliance.Unknown[compliance.Activity](c.since.Why())
	}
	a := compliance.Activity{Since: since}
	if seen, ok := c.activity[k.Name.String()]; ok {
		a = *seen
		a.Since = since
	}
	return compliance.Known(a)
}

// administers are the actions that change who may use a key, or whether.
func administers() []key.Action {
	return []key.Action{
		key.PutKeyPolicy, key.ScheduleKeyDeletion, key.CancelKeyDeletion, key.EnableKey, key.DisableKey, key.EnableKeyRotation,
		key.DisableKeyRotation, key.RotateKeyOnDemand, key.ImportKeyMaterial, key.DeleteKeyMaterial, key.CreateGrant,
	}
}

// uses are the actions that need a key's secret half.
func uses() []key.Action {
	return []key.Action{
		key.Encrypt, key.Decrypt, key.ReEncryptFrom, key.ReEncryptTo, key.GenerateDataKey, key.GenerateDataKeyWithoutPlaintext,
		key.Sign, key.GenerateMAC, key.DeriveSharedSecret,
	}
}

// powers are the actions that are simulated for a key: a few of each kind.
func powers(u alg.Usage) (administer, use []key.Action) {
	administer = []key.Action{key.PutKeyPolicy, key.ScheduleKeyDeletion}
	switch u {
	case alg.EncryptDecrypt, alg.RawEncryptDecrypt:
		use = []key.Action{key.Decrypt, key.Encrypt}
	case alg.SignVerify:
		use = []key.Action{key.Sign}
	case alg.GenerateVerifyMAC:
		use = []key.Action{key.GenerateMAC}
	case alg.KeyAgreement:
		use = []key.Action{key.DeriveSharedSecret}
	case alg.KeyTransfer:
		use = []key.Action{key.UnwrapKey}
	case alg.NoUsage:
	}
	return administer, use
}

// both returns whom the policies let both administer and use a key. Conditions
// are judged as for a call of now without a second factor, over TLS.
func (c *check) both(o *kms.Overview) compliance.Fact[[]string] {
	if !c.mayList {
		return compliance.Unknown[[]string]("the caller may not list users and roles")
	}
	if c.decisions += 4 * len(c.holders); c.decisions > maxDecisions {
		return compliance.Unknown[[]string]("there are too many keys and principals to try each with each")
	}
	administer, use := powers(o.Key.Usage)
	var both []string
	for i := range c.holders {
		h := &c.holders[i]
		if c.allowed(h, o, administer) && c.allowed(h, o, use) {
			both = append(both, h.Principal.String())
		}
	}
	return compliance.Known(both)
}

// allowed reports whether a principal may do any of the actions on a key.
func (c *check) allowed(h *identity.Holder, o *kms.Overview, actions []key.Action) bool {
	call := &key.Call{Caller: key.Caller{Principal: h.Acts}, Region: o.Key.Name.Region, Time: c.now, Secure: true, API: c.call.API}
	return slices.ContainsFunc(actions, func(a key.Action) bool {
		return policy.Decide(policy.Input{
			Request:  policy.Request{Call: call, Action: a, Resource: o.Target.Resource},
			Resource: o.Target.Policy, Identity: h.Policies, Grants: o.Target.Grants,
		}).Allowed
	})
}

// later returns the later of two times.
func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
