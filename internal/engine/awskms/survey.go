package awskms

import (
	"context"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"github.com/holdfast-kms/holdfast/internal/compliance"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/remote"
	wire "github.com/holdfast-kms/holdfast/internal/wire/aws"
	"github.com/holdfast-kms/holdfast/internal/wire/keypolicy"
)

var _ compliance.Account = (*Engine)(nil)

// survey is a look at an account's keys in a region.
type survey struct {
	*Engine
	names map[string]string // the first alias of each key, by its id
	// events are what the account's trail of events tells of keys, by their ARNs.
	events map[string]*compliance.Activity
	since  compliance.Fact[time.Time]
}

// Survey gives the facts of the account's keys in the region, and of how their
// use is logged (compliance.Account). It needs kms:ListKeys and, of each key,
// DescribeKey, GetKeyPolicy, GetKeyRotationStatus, ListKeyRotations and
// ListResourceTags; kms:ListAliases; and of CloudTrail DescribeTrails,
// GetTrailStatus, GetEventSelectors and LookupEvents. What is not allowed, but
// ListKeys, is told as not known.
func (e *Engine) Survey(ctx context.Context, to compliance.Facts) error {
	s := &survey{Engine: e, names: map[string]string{}, events: map[string]*compliance.Activity{}}
	account := "keys in " + e.region
	s.aliases(ctx)
	s.lookup(ctx)
	for page := ""; ; {
		entries, next, err := e.page(ctx, page, listPage)
		if err != nil {
			return err
		}
		facts, failures := make([]*compliance.Key, len(entries)), make([]error, len(entries))
		lanes := make(chan struct{}, listLane)
		var all sync.WaitGroup
		for i, k := range entries {
			lanes <- struct{}{}
			all.Go(func() {
				defer func() { <-lanes }()
				facts[i], failures[i] = s.facts(ctx, *k.KeyArn)
			})
		}
		all.Wait()
		for i := range facts {
			switch {
			case failures[i] == nil:
				to.Key(facts[i])
			case refused(failures[i]):
				to.Gap(compliance.SubjectKey, *entries[i].KeyArn, "the account does not let it be described")
			case fault.KindOf(failures[i]) != fault.NotFound: // else deleted since
				return failures[i]
			}
		}
		if arn := accountOf(entries); arn != "" {
			account = arn
		}
		if page = next; page == "" {
			to.Installation(s.installation(ctx, account))
			return nil
		}
	}
}

// accountOf returns the ARN of the account and region that keys are in.
func accountOf(entries []types.KeyListEntry) string {
	if len(entries) == 0 {
		return ""
	}
	arn, _, _ := strings.Cut(*entries[0].KeyArn, ":key/")
	return arn
}

// aliases notes how the keys are called. Without the right to know they have
// no names.
func (s *survey) aliases(ctx context.Context) {
	in := &kms.ListAliasesInput{}
	for {
		out, err := ask(ctx, s.Engine, call{op: "ListAliases", how: remote.Repeatable}, s.client.ListAliases, in, nil)
		if err != nil {
			return
		}
		for _, a := range out.Aliases {
			if id := aws.ToString(a.TargetKeyId); id != "" && s.names[id] == "" {
				s.names[id] = aws.ToString(a.AliasName)
			}
		}
		if !out.Truncated || out.NextMarker == nil {
			return
		}
		in.Marker = out.NextMarker
	}
}

// states of keys in the terms of package key.
var keyStates = map[types.KeyState]key.State{
	types.KeyStateCreating: key.Creating, types.KeyStateEnabled: key.Enabled, types.KeyStateDisabled: key.Disabled,
	types.KeyStatePendingDeletion: key.PendingDeletion, types.KeyStatePendingReplicaDeletion: key.PendingDeletion,
	types.KeyStatePendingImport: key.PendingImport, types.KeyStateUnavailable: key.Unavailable, types.KeyStateUpdating: key.Enabled,
}

// facts returns what the account tells of a key.
func (s *survey) facts(ctx context.Context, arn string) (*compliance.Key, error) {
	m, err := s.describe(ctx, arn)
	if err != nil {
		return nil, err
	}
	facts := &compliance.Key{
		Place: compliance.AWS, Resource: arn, ID: *m.KeyId, Name: s.names[*m.KeyId], Region: s.region,
		Type: compliance.Type{Name: string(m.KeySpec)}, Foreign: m.KeyManager == types.KeyManagerTypeAws,
		Spec: string(m.KeySpec), Usage: string(m.KeyUsage), Exportable: compliance.Known(false), Protection: protectionOf(m), Activity: s.activity(arn),
		Both: compliance.Unknown[[]string]("the policies of an account's users and roles are not read"),
	}
	usage, _ := wire.ParseUsage(string(m.KeyUsage))
	facts.Type.Usage = usage
	if spec, ok := wire.ParseSpec(string(m.KeySpec)); ok {
		facts.Type = compliance.TypeOf(spec, usage)
	}
	if state, ok := keyStates[m.KeyState]; ok {
		facts.State = compliance.Known(state)
	}
	if m.CreationDate != nil {
		facts.Created = compliance.Known(*m.CreationDate)
	}
	if facts.Foreign {
		return facts, nil
	}
	facts.Policy = s.policy(ctx, arn)
	facts.Tags = s.tags(ctx, arn)
	s.rotation(ctx, arn, m, facts)
	return facts, nil
}

// protectionOf returns where a key's material is ("Origin", AWS KMS API
// Reference): in AWS's own HSMs, in CloudHSM, or in a key manager elsewhere.
func protectionOf(m *types.KeyMetadata) compliance.Fact[key.Protection] {
	if m.Origin == types.OriginTypeExternalKeyStore {
		return compliance.Unknown[key.Protection]("the key is in a key manager outside of AWS")
	}
	return compliance.Known(key.HSM)
}

func (s *survey) policy(ctx context.Context, arn string) compliance.Fact[[]compliance.Statement] {
	in := &kms.GetKeyPolicyInput{KeyId: &arn, PolicyName: aws.String("default")}
	out, err := ask(ctx, s.Engine, call{op: "GetKeyPolicy", how: remote.Repeatable, key: arn}, s.client.GetKeyPolicy, in, nil)
	if err != nil {
		return compliance.Unknown[[]compliance.Statement](reason("the key's policy", err))
	}
	list, err := keypolicy.Statements(aws.ToString(out.Policy))
	if err != nil {
		return compliance.Unknown[[]compliance.Statement]("the key's policy cannot be read")
	}
	return compliance.Known(list)
}

func (s *survey) tags(ctx context.Context, arn string) []key.Tag {
	out, err := ask(ctx, s.Engine, call{op: "ListResourceTags", how: remote.Repeatable, key: arn}, s.client.ListResourceTags, &kms.ListResourceTagsInput{KeyId: &arn}, nil)
	if err != nil {
		return nil
	}
	var tags []key.Tag
	for _, t := range out.Tags {
		tags = append(tags, key.Tag{Key: aws.ToString(t.TagKey), Value: aws.ToString(t.TagValue)})
	}
	return tags
}

// rotation tells of a key's rule, and when it got its current material: only
// symmetric keys of AWS KMS's own making rotate by the clock.
func (s *survey) rotation(ctx context.Context, arn string, m *types.KeyMetadata, facts *compliance.Key) {
	if m.Origin == types.OriginTypeExternal || m.Origin == types.OriginTypeExternalKeyStore {
		facts.Renewed = compliance.Unknown[time.Time]("the account does not tell how old imported material is")
	} else if facts.Type.Family != 0 {
		facts.Renewed = facts.Created
	}
	if m.KeySpec != types.KeySpecSymmetricDefault || m.Origin != types.OriginTypeAwsKms {
		facts.Rotation = compliance.Known(compliance.Rotation{})
		return
	}
	in := &kms.GetKeyRotationStatusInput{KeyId: &arn}
	out, err := ask(ctx, s.Engine, call{op: "GetKeyRotationStatus", how: remote.Repeatable, key: arn}, s.client.GetKeyRotationStatus, in, nil)
	if err != nil {
		facts.Rotation = compliance.Unknown[compliance.Rotation](reason("the key's rotation", err))
	} else {
		facts.Rotation = compliance.Known(compliance.Rotation{Possible: true, Enabled: out.KeyRotationEnabled, Days: int(aws.ToInt32(out.RotationPeriodInDays))})
	}
	facts.Renewed = s.renewed(ctx, arn, facts.Created)
}

// renewed returns when a key was last rotated, or made.
func (s *survey) renewed(ctx context.Context, arn string, created compliance.Fact[time.Time]) compliance.Fact[time.Time] {
	last, ok := created.Get()
	if !ok {
		return created
	}
	in := &kms.ListKeyRotationsInput{KeyId: &arn, Limit: aws.Int32(1000)}
	for {
		out, err := ask(ctx, s.Engine, call{op: "ListKeyRotations", how: remote.Repeatable, key: arn}, s.client.ListKeyRotations, in, nil)
		if err != nil {
			return compliance.Unknown[time.Time](reason("the key's rotations", err))
		}
		for _, r := range out.Rotations {
			if r.RotationDate != nil && r.RotationDate.After(last) {
				last = *r.RotationDate
			}
		}
		if !out.Truncated || out.NextMarker == nil {
			return compliance.Known(last)
		}
		in.Marker = out.NextMarker
	}
}

// reason returns why something is not known.
func reason(what string, err error) string {
	if refused(err) {
		return "the account does not let " + what + " be read"
	}
	return what + " cannot be read: " + fault.KindOf(err).String()
}
