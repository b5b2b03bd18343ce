package awskms

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail/types"

	"github.com/holdfast-kms/holdfast/internal/compliance"
	"github.com/holdfast-kms/holdfast/internal/remote"
)

// How far an account's events are looked up: CloudTrail keeps 90 days, gives 50
// a page and answers two pages a second.
const (
	eventDays  = 90
	eventPages = 200
)

// kmsSource is the source of the events of keys.
const kmsSource = "kms.amazonaws.com"

// askTrail sends a request to CloudTrail until it is answered.
func askTrail[In, Out any](ctx context.Context, e *Engine, op string,
	send func(context.Context, *In, ...func(*cloudtrail.Options)) (*Out, error), in *In,
) (*Out, error) {
	var out *Out
	err := e.line.Do(ctx, "cloudtrail."+op, remote.Repeatable, func(ctx context.Context) (err error) {
		out, err = send(ctx, in)
		if expired(err) {
			e.credentials.renew()
		}
		return err
	})
	return out, err
}

// lookup gathers who used and administered keys from the account's events,
// newest first.
func (s *survey) lookup(ctx context.Context) {
	since := time.Now().AddDate(0, 0, -eventDays)
	in := &cloudtrail.LookupEventsInput{
		StartTime: &since, MaxResults: aws.Int32(50),
		LookupAttributes: []types.LookupAttribute{{AttributeKey: types.LookupAttributeKeyEventSource, AttributeValue: aws.String(kmsSource)}},
	}
	for n := range eventPages {
		out, err := askTrail(ctx, s.Engine, "LookupEvents", s.trails.LookupEvents, in)
		if err != nil {
			s.since = compliance.Unknown[time.Time](reason("the account's events", err))
			return
		}
		for i := range out.Events {
			s.note(&out.Events[i])
		}
		if out.NextToken == nil {
			break
		}
		if last := len(out.Events) - 1; n == eventPages-1 && last >= 0 && out.Events[last].EventTime != nil {
			since = *out.Events[last].EventTime
		}
		in.NextToken = out.NextToken
	}
	s.since = compliance.Known(since)
}

// uses and administers are the names of events that need a key's secret half,
// and of those that change who may use it, or whether.
var (
	uses = []string{
		"Encrypt", "Decrypt", "ReEncrypt", "GenerateDataKey", "GenerateDataKeyWithoutPlaintext", "GenerateDataKeyPair",
		"GenerateDataKeyPairWithoutPlaintext", "Sign", "GenerateMac", "DeriveSharedSecret",
	}
	verifies    = []string{"Verify", "VerifyMac"}
	administers = []string{
		"PutKeyPolicy", "ScheduleKeyDeletion", "CancelKeyDeletion", "EnableKey", "DisableKey", "EnableKeyRotation", "DisableKeyRotation",
		"RotateKeyOnDemand", "ImportKeyMaterial", "DeleteImportedKeyMaterial", "CreateGrant",
	}
)

// note notes what an event tells of keys. One that failed tells nothing.
func (s *survey) note(e *types.Event) {
	name := aws.ToString(e.EventName)
	used, administered := slices.Contains(uses, name), slices.Contains(administers, name)
	if !used && !administered && !slices.Contains(verifies, name) || e.EventTime == nil {
		return
	}
	who, failed := actor(e)
	if failed {
		return
	}
	for _, r := range e.Resources {
		arn := aws.ToString(r.ResourceName)
		if !strings.Contains(arn, ":key/") {
			continue
		}
		a := s.events[arn]
		if a == nil {
			a = &compliance.Activity{}
			s.events[arn] = a
		}
		if !administered && e.EventTime.After(a.Used) {
			a.Used = *e.EventTime
		}
		switch {
		case who == "":
		case used && !slices.Contains(a.Users, who):
			a.Users = append(a.Users, who)
		case administered && !slices.Contains(a.Administrators, who):
			a.Administrators = append(a.Administrators, who)
		}
	}
}

// actor returns who made an event ("userIdentity" of its record), "" for a
// service of AWS, and whether it failed.
func actor(e *types.Event) (who string, failed bool) {
	var record struct {
		ErrorCode    string `json:"errorCode"`
		UserIdentity struct {
			Type string `json:"type"`
			ARN  string `json:"arn"`
		} `json:"userIdentity"`
	}
	if err := json.Unmarshal([]byte(aws.ToString(e.CloudTrailEvent)), &record); err != nil {
		return aws.ToString(e.Username), false
	}
	if record.UserIdentity.Type == "AWSService" {
		return "", record.ErrorCode != ""
	}
	if record.UserIdentity.ARN != "" {
		return record.UserIdentity.ARN, record.ErrorCode != ""
	}
	return aws.ToString(e.Username), record.ErrorCode != ""
}

// activity returns what the events tell of a key.
func (s *survey) activity(arn string) compliance.Fact[compliance.Activity] {
	since, ok := s.since.Get()
	if !ok {
		return compliance.Unknown[compliance.Activity](s.since.Why())
	}
	a := compliance.Activity{Since: since}
	if seen, ok := s.events[arn]; ok {
		a = *seen
		a.Since = since
	}
	return compliance.Known(a)
}

// installation returns what the account tells of its trails.
func (s *survey) installation(ctx context.Context, account string) *compliance.Installation {
	const operated = "it is AWS's own"
	i := &compliance.Installation{
		Place: compliance.AWS, Resource: account, Region: s.region,
		Retention: compliance.Unknown[compliance.Retention]("how long the bucket of a trail keeps its files is not read"),
		FIPS:      compliance.Unknown[compliance.FIPS]("the module is AWS's own, whose certificate tells its mode"),
		Root:      compliance.Unknown[compliance.Root](operated),
	}
	trails, err := s.logging(ctx)
	if err != nil {
		i.Logging, i.Copies = compliance.Unknown[compliance.Log](reason("the account's trails", err)), compliance.Unknown[int](reason("the account's trails", err))
		return i
	}
	i.Copies = compliance.Known(len(trails))
	i.Logging = compliance.Known(compliance.Log{On: len(trails) > 0, Where: "no trail that is on has the management events of AWS KMS, those that only read among them"})
	return i
}

// logging returns the names of the trails that have the use of the region's
// keys: a trail of the region or of all regions, that is on, with management
// events that read and write, and without an exclusion of AWS KMS ("Logging
// management events", AWS CloudTrail User Guide: Encrypt, Decrypt and
// GenerateDataKey are events that read).
func (s *survey) logging(ctx context.Context) (names []string, err error) {
	out, err := askTrail(ctx, s.Engine, "DescribeTrails", s.trails.DescribeTrails, &cloudtrail.DescribeTrailsInput{})
	if err != nil {
		return nil, err
	}
	for _, t := range out.TrailList {
		name := t.TrailARN
		if name == nil {
			name = t.Name
		}
		if !aws.ToBool(t.IsMultiRegionTrail) && aws.ToString(t.HomeRegion) != s.region {
			continue
		}
		status, err := askTrail(ctx, s.Engine, "GetTrailStatus", s.trails.GetTrailStatus, &cloudtrail.GetTrailStatusInput{Name: name})
		if err != nil {
			return nil, err
		}
		if !aws.ToBool(status.IsLogging) {
			continue
		}
		selectors, err := askTrail(ctx, s.Engine, "GetEventSelectors", s.trails.GetEventSelectors, &cloudtrail.GetEventSelectorsInput{TrailName: name})
		if err != nil {
			return nil, err
		}
		if slices.ContainsFunc(selectors.EventSelectors, basic) || slices.ContainsFunc(selectors.AdvancedEventSelectors, advanced) {
			names = append(names, *name)
		}
	}
	return names, nil
}

// basic reports whether a selector chooses the use of keys.
func basic(s types.EventSelector) bool {
	return (s.IncludeManagementEvents == nil || *s.IncludeManagementEvents) && (s.ReadWriteType == types.ReadWriteTypeAll || s.ReadWriteType == "") &&
		!slices.Contains(s.ExcludeManagementEventSources, kmsSource)
}

// advanced reports whether a selector chooses the use of keys: one of management
// events whose other fields leave AWS KMS in.
func advanced(s types.AdvancedEventSelector) bool {
	management := false
	for _, f := range s.FieldSelectors {
		switch aws.ToString(f.Field) {
		case "eventCategory":
			management = slices.Contains(f.Equals, "Management")
		case "eventSource":
			if len(f.Equals) > 0 && !slices.Contains(f.Equals, kmsSource) || slices.Contains(f.NotEquals, kmsSource) {
				return false
			}
		default: // readOnly and all others leave some uses out
			return false
		}
	}
	return management
}
