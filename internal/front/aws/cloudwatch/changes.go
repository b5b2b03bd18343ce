package cloudwatch

import (
	"context"
	"encoding/json"

	"github.com/holdfast-kms/holdfast/internal/alarm"
	"github.com/holdfast-kms/holdfast/internal/front/aws"
	"github.com/holdfast-kms/holdfast/internal/key"
	wire "github.com/holdfast-kms/holdfast/internal/wire/aws"
)

// namesRequest is the request of the operations on several alarms.
type namesRequest struct{ names []string }

// Members declares the request.
func (r *namesRequest) Members(m *aws.Members) {
	m.List("AlarmNames", &r.names, alarm.MaxNames, 1, maxText).AtLeast(1).Required()
}

func (f *front) deleteAlarms(ctx context.Context, x *aws.Exchange, in *namesRequest) error {
	return f.alarms.Delete(ctx, &x.Call, in.names)
}

func (f *front) enableAlarmActions(ctx context.Context, x *aws.Exchange, in *namesRequest) error {
	return f.alarms.TurnActions(ctx, &x.Call, in.names, true)
}

func (f *front) disableAlarmActions(ctx context.Context, x *aws.Exchange, in *namesRequest) error {
	return f.alarms.TurnActions(ctx, &x.Call, in.names, false)
}

type setStateRequest struct{ name, state, reason, details string }

// Members declares SetAlarmState's request.
func (r *setStateRequest) Members(m *aws.Members) {
	m.Text("AlarmName", &r.name, 1, maxText).Required()
	m.Enum("StateValue", &r.state, stateNames).Required()
	m.Text("StateReason", &r.reason, 0, maxReason).Required()
	m.Text("StateReasonData", &r.details, 0, maxDetails)
}

func (f *front) setAlarmState(ctx context.Context, x *aws.Exchange, in *setStateRequest) error {
	if in.details != "" && !json.Valid([]byte(in.details)) {
		return wire.Invalid(formatCode, "The parameter StateReasonData must be JSON.")
	}
	return f.alarms.SetState(ctx, &x.Call, in.name, alarm.Setting{State: states[in.state], Reason: in.reason, Details: in.details})
}

// tag is a Tag.
type tag struct{ name, value string }

// Members declares the structure.
func (t *tag) Members(m *aws.Members) {
	m.Text("Key", &t.name, 1, 128).Required()
	m.Text("Value", &t.value, 0, 256).Required()
}

func keyTags(tags []tag) []key.Tag {
	list := make([]key.Tag, len(tags))
	for i, t := range tags {
		list[i] = key.Tag{Key: t.name, Value: t.value}
	}
	return list
}

// resourceRequest names an alarm by its ARN.
type resourceRequest struct{ arn string }

// Members declares the member.
func (r *resourceRequest) Members(m *aws.Members) {
	m.Text("ResourceARN", &r.arn, 1, maxValue).Required()
}

// alarm returns the name of the alarm, which has to be of the account and
// region of the call.
func (r *resourceRequest) alarm(x *aws.Exchange) (string, error) {
	a, ok := wire.ParseResource(r.arn)
	if !ok || a.Kind != key.KindAlarm || a.Realm != x.Call.Caller.Principal.Realm || a.Region != x.Call.Region {
		return "", invalid("The value of the parameter ResourceARN is not the ARN of an alarm of this account and region.")
	}
	return a.ID, nil
}

type tagRequest struct {
	resourceRequest
	tags []tag
}

// Members declares TagResource's request.
func (r *tagRequest) Members(m *aws.Members) {
	r.resourceRequest.Members(m)
	aws.Structs(m, "Tags", &r.tags, key.MaxTags).Required()
}

func (f *front) tagResource(ctx context.Context, x *aws.Exchange, in *tagRequest) error {
	name, err := in.alarm(x)
	if err != nil {
		return err
	}
	return f.alarms.Tag(ctx, &x.Call, name, keyTags(in.tags))
}

type untagRequest struct {
	resourceRequest
	keys []string
}

// Members declares UntagResource's request.
func (r *untagRequest) Members(m *aws.Members) {
	r.resourceRequest.Members(m)
	m.List("TagKeys", &r.keys, key.MaxTags, 1, 128).Required()
}

func (f *front) untagResource(ctx context.Context, x *aws.Exchange, in *untagRequest) error {
	name, err := in.alarm(x)
	if err != nil {
		return err
	}
	return f.alarms.Untag(ctx, &x.Call, name, in.keys)
}

func (f *front) listTagsForResource(ctx context.Context, x *aws.Exchange, in *resourceRequest) error {
	name, err := in.alarm(x)
	if err != nil {
		return err
	}
	tags, err := f.alarms.Tags(ctx, &x.Call, name)
	if err != nil {
		return err
	}
	w := x.Writer()
	w.Array("Tags", func() {
		for _, t := range tags {
			w.Object("", func() {
				w.Text("Key", t.Key)
				w.Text("Value", t.Value)
			})
		}
	})
	return nil
}
