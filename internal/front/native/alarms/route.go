// Package alarms serves alarms over the native API. They are made and changed
// over the API of Amazon CloudWatch.
package alarms

import (
	"context"
	"slices"
	"time"

	"github.com/holdfast-kms/holdfast/internal/alarm"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/front/native"
	"github.com/holdfast-kms/holdfast/internal/key"
	wire "github.com/holdfast-kms/holdfast/internal/wire/native"
)

// front has the handlers.
type front struct{ alarms *alarm.Service }

// Operations returns the operations on alarms.
func Operations(s *alarm.Service) []native.Operation {
	f := &front{s}
	return []native.Operation{
		native.Get("/alarms", "ListAlarms", key.DescribeAlarms, native.Handle(f.list)).Takes(native.Paged("name", "state")...),
	}
}

func (f *front) list(ctx context.Context, r *native.Request, _ *wire.None) (*wire.AlarmList, error) {
	page, err := r.Page()
	if err != nil {
		return nil, err
	}
	state := alarm.State(r.Param("state"))
	if state != "" && !slices.Contains(alarm.States(), state) {
		return nil, fault.New(fault.InvalidArgument, "the state of an alarm is one of %q", alarm.States())
	}
	list, next, err := f.alarms.List(ctx, r.Call, &alarm.List{
		Prefix: r.Param("name"), State: state, After: page.After, Limit: page.Limit,
	})
	if err != nil {
		return nil, err
	}
	out := &wire.AlarmList{Alarms: make([]wire.Alarm, len(list)), Next: next}
	for i, a := range list {
		out.Alarms[i] = alarmOut(a)
	}
	return out, nil
}

// alarmOut puts an alarm into the API's shape.
func alarmOut(a *alarm.Alarm) wire.Alarm {
	r := &a.Rule
	out := wire.Alarm{
		Name: a.Name, Description: a.Description, Realm: string(a.Realm), Region: a.Region, State: string(a.State), Since: a.ChangedAt,
		Reason: a.Reason, Metric: wire.Metric{Kind: string(r.Metric.Kind), Name: string(r.Metric.Name), ID: r.Metric.ID},
		Statistic: string(r.Statistic), Comparison: string(r.Comparison), Threshold: r.Threshold, Period: int(r.Period / time.Second),
		Evaluations: r.Evaluations, Datapoints: r.Needed(), Missing: string(r.Missing), ActionsEnabled: a.ActionsEnabled,
	}
	if r.Metric.Operation != key.NoAction {
		out.Metric.Action = r.Metric.Operation.String()
	}
	for state, topics := range a.Actions {
		if len(topics) > 0 {
			if out.Topics == nil {
				out.Topics = map[string][]string{}
			}
			out.Topics[string(state)] = topics
		}
	}
	return out
}
