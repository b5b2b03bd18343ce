package cloudwatch

import (
	"encoding/json"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/holdfast-kms/holdfast/internal/alarm"
	"github.com/holdfast-kms/holdfast/internal/key"
	wire "github.com/holdfast-kms/holdfast/internal/wire/aws"
)

// Principal is the service as whom alarms publish.
const Principal = "cloudwatch.amazonaws.com"

// Style puts alarms into Amazon CloudWatch's words.
type Style struct{}

// published is the text of a message, in AWS's order.
type published struct {
	AlarmName                          string
	AlarmDescription                   *string
	AWSAccountId                       key.RealmID //nolint:revive,staticcheck // AWS's spelling
	AlarmConfigurationUpdatedTimestamp string
	NewStateValue, NewStateReason      string
	StateChangeTime                    string
	Region, AlarmArn                   string
	OldStateValue                      string
	OKActions, AlarmActions            []string
	InsufficientDataActions            []string
	Trigger                            trigger
}

type trigger struct {
	MetricName, Namespace            string
	StatisticType, Statistic         string
	Unit                             *string
	Dimensions                       []triggerDimension
	Period, EvaluationPeriods        int
	DatapointsToAlarm                int `json:",omitempty"`
	ComparisonOperator               string
	Threshold                        json.Number
	TreatMissingData                 string
	EvaluateLowSampleCountPercentile string
}

type triggerDimension struct {
	Value string `json:"value"`
	Name  string `json:"name"`
}

// stampFormat is how the messages of alarms have times.
const stampFormat = "2006-01-02T15:04:05.000-0700"

func stamp(t time.Time) string { return t.UTC().Format(stampFormat) }

// Message implements alarm.Style: the message that Amazon CloudWatch publishes
// ("Notifying users on alarm changes", Amazon CloudWatch User Guide).
func (Style) Message(a *alarm.Alarm, from alarm.State) (subject, text string) {
	m := published{
		AlarmName: a.Name, AWSAccountId: a.Realm, AlarmConfigurationUpdatedTimestamp: stamp(a.ConfiguredAt),
		NewStateValue: named(states, a.State), NewStateReason: a.Reason, StateChangeTime: stamp(a.ChangedAt),
		Region: regionName(a.Region), AlarmArn: wire.ResourceARN(a.Resource()), OldStateValue: named(states, from),
		OKActions: actionARNs(a, alarm.OK), AlarmActions: actionARNs(a, alarm.Alarming),
		InsufficientDataActions: actionARNs(a, alarm.Insufficient), Trigger: triggerOf(&a.Rule),
	}
	if a.Description != "" {
		m.AlarmDescription = &a.Description
	}
	return subjectOf(m.NewStateValue, a.Name, m.Region), jsonText(&m)
}

// jsonText returns a value as JSON, in which < and > are what they are. A value
// that cannot be JSON, as an infinite number, is an empty object.
func jsonText(v any) string {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return "{}"
	}
	return strings.TrimSuffix(b.String(), "\n")
}

func triggerOf(r *alarm.Rule) trigger {
	name := nameOf(&r.Metric)
	t := trigger{
		MetricName: name.name, Namespace: name.namespace, StatisticType: "Statistic",
		Statistic: upper(named(statistics, r.Statistic)), Dimensions: []triggerDimension{}, Period: int(r.Period / time.Second),
		EvaluationPeriods: r.Evaluations, DatapointsToAlarm: r.Datapoints, ComparisonOperator: named(comparisons, r.Comparison),
		Threshold: json.Number(alarm.Number(r.Threshold)), TreatMissingData: named(missings, r.Missing),
	}
	if r.Unit != "" {
		t.Unit = &r.Unit
	}
	for _, d := range dimensionsOf(&r.Metric.Series) {
		t.Dimensions = append(t.Dimensions, triggerDimension{d.value, d.name})
	}
	return t
}

// upper puts a statistic's name into capitals: SAMPLE_COUNT.
func upper(name string) string {
	if name == "SampleCount" {
		return "SAMPLE_COUNT"
	}
	return strings.ToUpper(name)
}

// maxSubject is the longest subject that Amazon SNS takes, in characters.
const maxSubject = 100

// subjectOf returns the subject of a message, with the alarm's name shortened
// where it has to be. A subject has ASCII alone.
func subjectOf(state, name, region string) string {
	name = strings.Map(func(r rune) rune {
		if r < ' ' || r >= utf8.RuneSelf {
			return '?'
		}
		return r
	}, name)
	room := maxSubject - len(state) - len(region) - len(`: "" in `)
	if len(name) > room {
		name = name[:max(room-len("..."), 0)] + "..."
	}
	return state + `: "` + name + `" in ` + region
}

// details is what a state was found from, as StateReasonData.
type details struct {
	Version             string      `json:"version"`
	QueryDate           string      `json:"queryDate"`
	StartDate           string      `json:"startDate,omitempty"`
	Unit                string      `json:"unit,omitempty"`
	Statistic           string      `json:"statistic"`
	Period              int         `json:"period"`
	RecentDatapoints    []float64   `json:"recentDatapoints"`
	Threshold           float64     `json:"threshold"`
	EvaluatedDatapoints []datapoint `json:"evaluatedDatapoints,omitempty"`
}

type datapoint struct {
	Timestamp   string  `json:"timestamp"`
	SampleCount float64 `json:"sampleCount"`
	Value       float64 `json:"value"`
}

// maxEvaluated is how many datapoints there are in details, of which AWS's
// model allows 4,000 characters.
const maxEvaluated = 20

// Details implements alarm.Style.
func (Style) Details(a *alarm.Alarm, j *alarm.Judgement) string {
	r := &a.Rule
	d := details{
		Version: historyVersion, QueryDate: stamp(j.At), Unit: r.Unit, Statistic: named(statistics, r.Statistic),
		Period: int(r.Period / time.Second), RecentDatapoints: []float64{}, Threshold: r.Threshold,
	}
	for i := range j.Points[:min(len(j.Points), maxEvaluated)] {
		p := &j.Points[i]
		d.RecentDatapoints = append([]float64{p.Value(r.Statistic)}, d.RecentDatapoints...)
		d.EvaluatedDatapoints = append(d.EvaluatedDatapoints, datapoint{stamp(p.Time), p.Samples, p.Value(r.Statistic)})
		d.StartDate = stamp(p.Time)
	}
	return jsonText(&d)
}

// regionName returns what AWS calls a region in its messages; one that it does
// not have is called by its code.
func regionName(region string) string {
	if name, ok := regionNames[region]; ok {
		return name
	}
	return region
}

var regionNames = map[string]string{
	"af-south-1": "Africa (Cape Town)", "ap-east-1": "Asia Pacific (Hong Kong)", "ap-east-2": "Asia Pacific (Taipei)",
	"ap-northeast-1": "Asia Pacific (Tokyo)", "ap-northeast-2": "Asia Pacific (Seoul)", "ap-northeast-3": "Asia Pacific (Osaka)",
	"ap-south-1": "Asia Pacific (Mumbai)", "ap-south-2": "Asia Pacific (Hyderabad)", "ap-southeast-1": "Asia Pacific (Singapore)",
	"ap-southeast-2": "Asia Pacific (Sydney)", "ap-southeast-3": "Asia Pacific (Jakarta)", "ap-southeast-4": "Asia Pacific (Melbourne)",
	"ap-southeast-5": "Asia Pacific (Malaysia)", "ap-southeast-6": "Asia Pacific (New Zealand)", "ap-southeast-7": "Asia Pacific (Thailand)",
	"ca-central-1": "Canada (Central)", "ca-west-1": "Canada West (Calgary)", "eu-central-1": "EU (Frankfurt)", "eu-central-2": "EU (Zurich)",
	"eu-north-1": "EU (Stockholm)", "eu-south-1": "EU (Milan)", "eu-south-2": "EU (Spain)", "eu-west-1": "EU (Ireland)",
	"eu-west-2": "EU (London)", "eu-west-3": "EU (Paris)", "il-central-1": "Israel (Tel Aviv)", "me-central-1": "Middle East (UAE)",
	"me-south-1": "Middle East (Bahrain)", "mx-central-1": "Mexico (Central)", "sa-east-1": "South America (Sao Paulo)",
	"us-east-1": "US East (N. Virginia)", "us-east-2": "US East (Ohio)", "us-west-1": "US West (N. California)", "us-west-2": "US West (Oregon)",
}
