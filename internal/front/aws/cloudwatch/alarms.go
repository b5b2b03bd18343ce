package cloudwatch

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/holdfast-kms/holdfast/internal/alarm"
	"github.com/holdfast-kms/holdfast/internal/front/aws"
	"github.com/holdfast-kms/holdfast/internal/key"
	wire "github.com/holdfast-kms/holdfast/internal/wire/aws"
)

// The lengths of an alarm's texts in AWS's model, in characters.
const (
	maxDescription = 1024
	maxReason      = 1023
	maxDetails     = 4000
)

type putRequest struct {
	name, description          string
	enabled                    *bool
	ok, alarming, insufficient []string
	namespace, metric          string
	statistic, unit            string
	dimensions                 []dimension
	period, evaluations, least int
	threshold                  *float64
	comparison, missing        string
	tags                       []tag
}

// Members declares PutMetricAlarm's request.
func (r *putRequest) Members(m *aws.Members) {
	m.Text("AlarmName", &r.name, 1, maxText).Required()
	m.Text("AlarmDescription", &r.description, 0, maxDescription)
	m.Flag("ActionsEnabled", &r.enabled)
	m.List("OKActions", &r.ok, alarm.MaxActions, 1, maxValue)
	m.List("AlarmActions", &r.alarming, alarm.MaxActions, 1, maxValue)
	m.List("InsufficientDataActions", &r.insufficient, alarm.MaxActions, 1, maxValue)
	m.Text("MetricName", &r.metric, 1, maxText)
	m.Text("Namespace", &r.namespace, 1, maxText).Matching(namespacePattern)
	m.Enum("Statistic", &r.statistic, statisticNames)
	aws.Structs(m, "Dimensions", &r.dimensions, maxDimensions)
	m.Int("Period", &r.period, 1, 0)
	m.Enum("Unit", &r.unit, units)
	m.Int("EvaluationPeriods", &r.evaluations, 1, 0)
	m.Int("DatapointsToAlarm", &r.least, 1, 0)
	m.Float("Threshold", &r.threshold)
	m.Enum("ComparisonOperator", &r.comparison, comparisonNames)
	m.Enum("TreatMissingData", &r.missing, missingNames)
	aws.Structs(m, "Tags", &r.tags, key.MaxTags)
	for _, name := range []string{ // percentiles, expressions, anomalies, and PromQL
		"ExtendedStatistic", "EvaluateLowSampleCountPercentile", "Metrics", "ThresholdMetricId", "EvaluationCriteria", "EvaluationInterval",
	} {
		m.Unsupported(name)
	}
}

// rule returns the alarm's rule.
func (r *putRequest) rule(x *aws.Exchange) (rule alarm.Rule, err error) {
	for _, member := range []struct {
		name  string
		there bool
	}{
		{"MetricName", r.metric != ""},
		{"Namespace", r.namespace != ""},
		{"Statistic", r.statistic != ""},
		{"Period", r.period > 0},
		{"EvaluationPeriods", r.evaluations > 0},
		{"Threshold", r.threshold != nil},
		{"ComparisonOperator", r.comparison != ""},
	} {
		if !member.there {
			return rule, wire.Invalid(requiredCode, "The parameter "+member.name+" is required.")
		}
	}
	rule = alarm.Rule{
		Statistic: statistics[r.statistic], Unit: r.unit, Period: time.Duration(r.period) * time.Second, Evaluations: r.evaluations,
		Datapoints: r.least, Threshold: *r.threshold, Comparison: comparisons[r.comparison], Missing: alarm.AsMissing,
	}
	if rule.Comparison == "" {
		return rule, unsupported("the ComparisonOperator " + r.comparison + ", which is for anomaly detection")
	}
	if r.missing != "" {
		rule.Missing = missings[r.missing]
	}
	rule.Metric, err = metricOf(x, r.namespace, r.metric, r.dimensions)
	return rule, err
}

// topics returns the names of the topics that actions are.
func topics(x *aws.Exchange, actions []string) (names []string, err error) {
	for _, arn := range actions {
		r, ok := wire.ParseResource(arn)
		if !ok || r.Kind != key.KindTopic || r.Realm != x.Call.Caller.Principal.Realm || r.Region != x.Call.Region {
			return nil, unsupported("the action " + arn + ": it has SNS topics of the alarm's account and region")
		}
		if !slices.Contains(names, r.ID) {
			names = append(names, r.ID)
		}
	}
	return names, nil
}

func (f *front) putMetricAlarm(ctx context.Context, x *aws.Exchange, in *putRequest) error {
	rule, err := in.rule(x)
	if err != nil {
		return err
	}
	a := &alarm.Alarm{
		Name: in.name, Description: in.description, Rule: rule, Actions: map[alarm.State][]string{},
		ActionsEnabled: in.enabled == nil || *in.enabled, Tags: keyTags(in.tags),
	}
	for state, actions := range map[alarm.State][]string{alarm.OK: in.ok, alarm.Alarming: in.alarming, alarm.Insufficient: in.insufficient} {
		if a.Actions[state], err = topics(x, actions); err != nil {
			return err
		}
	}
	return f.alarms.Put(ctx, &x.Call, a)
}

type describeRequest struct {
	names                       []string
	prefix, state, actionPrefix string
	types                       []string
	most                        int
	token                       string
}

// The types of alarms.
const (
	metricAlarm    = "MetricAlarm"
	compositeAlarm = "CompositeAlarm"
)

var alarmTypes = []string{compositeAlarm, metricAlarm}

// Members declares DescribeAlarms's request.
func (r *describeRequest) Members(m *aws.Members) {
	m.List("AlarmNames", &r.names, alarm.MaxNames, 1, maxText)
	m.Text("AlarmNamePrefix", &r.prefix, 1, maxText)
	m.List("AlarmTypes", &r.types, 0, 0, maxText).OneOf(alarmTypes)
	m.Enum("StateValue", &r.state, stateNames)
	m.Text("ActionPrefix", &r.actionPrefix, 1, maxValue)
	m.Int("MaxRecords", &r.most, 1, alarm.MaxPage)
	m.Text("NextToken", &r.token, 0, maxToken)
	m.Unsupported("ChildrenOfAlarmName")
	m.Unsupported("ParentsOfAlarmName")
}

// usualAlarms is how many alarms a page has when the request does not say.
const usualAlarms = 50

func (f *front) describeAlarms(ctx context.Context, x *aws.Exchange, in *describeRequest) error {
	if len(in.names) > 0 && in.prefix != "" {
		return combination("The parameters AlarmNames and AlarmNamePrefix must not both be specified.")
	}
	page, err := x.Page(aws.PageRequest{Limit: in.most, Marker: in.token}, usualAlarms, strayToken)
	if err != nil {
		return err
	}
	l := &alarm.List{Names: in.names, Prefix: in.prefix, State: states[in.state], After: page.After, Limit: page.Limit}
	if in.actionPrefix != "" {
		l.Fits = func(a *alarm.Alarm) bool {
			return slices.ContainsFunc(slices.Concat(actionARNs(a, alarm.OK), actionARNs(a, alarm.Alarming), actionARNs(a, alarm.Insufficient)),
				func(arn string) bool { return strings.HasPrefix(arn, in.actionPrefix) })
		}
	}
	if len(in.types) > 0 && !slices.Contains(in.types, metricAlarm) {
		l.Fits = func(*alarm.Alarm) bool { return false }
	}
	list, next, err := f.alarms.List(ctx, &x.Call, l)
	if err != nil {
		return err
	}
	x.Writer().Array("CompositeAlarms", func() {})
	writeAlarms(x.Writer(), list)
	writeNext(x, next)
	return nil
}

type forMetricRequest struct {
	metricRequest
	statistic, unit string
	period          int
}

// Members declares DescribeAlarmsForMetric's request.
func (r *forMetricRequest) Members(m *aws.Members) {
	r.metricRequest.Members(m)
	m.Enum("Statistic", &r.statistic, statisticNames)
	m.Unsupported("ExtendedStatistic")
	m.Int("Period", &r.period, 1, 0)
	m.Enum("Unit", &r.unit, units)
}

func (f *front) describeAlarmsForMetric(ctx context.Context, x *aws.Exchange, in *forMetricRequest) error {
	wanted, err := metricOf(x, in.namespace, in.name, in.dimensions)
	unknown := err != nil
	list, _, err := f.alarms.List(ctx, &x.Call, &alarm.List{Limit: alarm.MaxAlarms, Fits: func(a *alarm.Alarm) bool {
		r := &a.Rule
		return !unknown && r.Metric == wanted && (in.statistic == "" || r.Statistic == statistics[in.statistic]) &&
			(in.period == 0 || r.Period == time.Duration(in.period)*time.Second) && (in.unit == "" || r.Unit == in.unit)
	}})
	if err != nil {
		return err
	}
	writeAlarms(x.Writer(), list)
	return nil
}

// actionARNs returns the actions of a state as they were given.
func actionARNs(a *alarm.Alarm, s alarm.State) []string {
	list := make([]string, 0, len(a.Actions[s]))
	for _, topic := range a.Actions[s] {
		list = append(list, topicARN(a, topic))
	}
	return list
}

func topicARN(a *alarm.Alarm, topic string) string {
	return wire.ResourceARN(key.Resource{Kind: key.KindTopic, Realm: a.Realm, Region: a.Region, ID: topic})
}

func writeTexts(w aws.Writer, name string, list []string) {
	w.Array(name, func() {
		for _, s := range list {
			w.Text("", s)
		}
	})
}

func writeAlarms(w aws.Writer, list []*alarm.Alarm) {
	w.Array("MetricAlarms", func() {
		for _, a := range list {
			w.Object("", func() { writeAlarm(w, a) })
		}
	})
}

// writeAlarm writes a MetricAlarm.
func writeAlarm(w aws.Writer, a *alarm.Alarm) {
	w.Text("AlarmName", a.Name)
	w.Text("AlarmArn", wire.ResourceARN(a.Resource()))
	if a.Description != "" {
		w.Text("AlarmDescription", a.Description)
	}
	w.Time("AlarmConfigurationUpdatedTimestamp", a.ConfiguredAt)
	w.Bool("ActionsEnabled", a.ActionsEnabled)
	writeTexts(w, "OKActions", actionARNs(a, alarm.OK))
	writeTexts(w, "AlarmActions", actionARNs(a, alarm.Alarming))
	writeTexts(w, "InsufficientDataActions", actionARNs(a, alarm.Insufficient))
	w.Text("StateValue", named(states, a.State))
	w.Text("StateReason", a.Reason)
	if a.Details != "" {
		w.Text("StateReasonData", a.Details)
	}
	w.Time("StateUpdatedTimestamp", a.ReasonAt)
	w.Time("StateTransitionedTimestamp", a.ChangedAt)
	writeRule(w, &a.Rule)
}

func writeRule(w aws.Writer, r *alarm.Rule) {
	writeMetric(w, &r.Metric)
	w.Text("Statistic", named(statistics, r.Statistic))
	w.Int("Period", int(r.Period/time.Second))
	if r.Unit != "" {
		w.Text("Unit", r.Unit)
	}
	w.Int("EvaluationPeriods", r.Evaluations)
	if r.Datapoints > 0 {
		w.Int("DatapointsToAlarm", r.Datapoints)
	}
	w.Float("Threshold", r.Threshold)
	w.Text("ComparisonOperator", named(comparisons, r.Comparison))
	w.Text("TreatMissingData", named(missings, r.Missing))
}
