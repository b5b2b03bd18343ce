package cloudwatch

import (
	"regexp"
	"slices"
	"strings"

	"github.com/holdfast-kms/holdfast/internal/alarm"
	"github.com/holdfast-kms/holdfast/internal/front/aws"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/metric"
	wire "github.com/holdfast-kms/holdfast/internal/wire/aws"
)

// The namespaces that there is something in.
const (
	namespaceKMS = "AWS/KMS"
	namespacePCA = "AWS/ACMPrivateCA"
	namespaceACM = "AWS/CertificateManager"
)

// The dimensions. KeyId is that of AWS KMS's own metric, CertificateArn AWS
// Certificate Manager's. Those of AWS Private CA are not documented.
const (
	dimensionKey         = "KeyId"
	dimensionOperation   = "Operation"
	dimensionAuthority   = "PrivateCAArn"
	dimensionCertificate = "CertificateArn"
)

// metricName is a metric under AWS's name.
type metricName struct {
	namespace, name string
	kind            metric.Kind
	metric          metric.Name
}

// metricNames are all metrics. SecondsUntilKeyMaterialExpiration, Success,
// Failure and DaysToExpiry are AWS's own; AWS KMS counts no calls, so the
// names for those are Holdfast's, and Errors is the one that people expect.
var metricNames = []metricName{
	{namespaceKMS, "Requests", metric.Calls, metric.Requests},
	{namespaceKMS, "Errors", metric.Calls, metric.Errors},
	{namespaceKMS, "Denied", metric.Calls, metric.Denied},
	{namespaceKMS, "Throttles", metric.Calls, metric.Throttled},
	{namespaceKMS, "SecondsUntilKeyMaterialExpiration", metric.Material, metric.Seconds},
	{namespacePCA, "Success", metric.Issues, metric.Issued},
	{namespacePCA, "Failure", metric.Issues, metric.NotIssued},
	{namespaceACM, "DaysToExpiry", metric.Expiry, metric.Days},
}

// nameOf returns a metric's name.
func nameOf(m *metric.Metric) metricName {
	i := slices.IndexFunc(metricNames, func(n metricName) bool { return n.kind == m.Kind && n.metric == m.Name })
	if i < 0 {
		return metricName{}
	}
	return metricNames[i]
}

// operationName is an action as the dimension Operation has it: what IAM calls
// it, without the service.
func operationName(a key.Action) string {
	_, name, _ := strings.Cut(wire.ActionName(a), ":")
	return name
}

// dimensionsOf returns the dimensions of a series of a realm and region.
func dimensionsOf(s *metric.Series) []dimension {
	var list []dimension
	switch {
	case s.ID == "":
	case s.Kind == metric.Issues:
		list = append(list, dimension{dimensionAuthority, wire.AuthorityARN(s.Realm, s.Region, s.ID)})
	case s.Kind == metric.Expiry:
		r := key.Resource{Kind: key.KindManaged, Realm: s.Realm, Region: s.Region, ID: s.ID}
		list = append(list, dimension{dimensionCertificate, wire.ResourceARN(r)})
	default:
		list = append(list, dimension{dimensionKey, s.ID})
	}
	if s.Operation != key.NoAction {
		list = append(list, dimension{dimensionOperation, operationName(s.Operation)})
	}
	return list
}

// keyID is what the dimension KeyId has.
var keyID = regexp.MustCompile(`\A(?:[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|mrk-[0-9a-f]{32})\z`)

// metricOf returns the metric of a name and dimensions. An error says why
// there can be none.
func metricOf(x *aws.Exchange, namespace, name string, dimensions []dimension) (metric.Metric, error) {
	i := slices.IndexFunc(metricNames, func(n metricName) bool { return n.namespace == namespace && n.name == name })
	if i < 0 {
		return metric.Metric{}, unsupported("the metric " + name + " of " + namespace + ": it has " + known())
	}
	n := &metricNames[i]
	m := metric.Metric{
		Series: metric.Series{Realm: x.Call.Caller.Principal.Realm, Region: x.Call.Region, Kind: n.kind}, Name: n.metric,
	}
	for _, d := range dimensions {
		if err := d.read(&m.Series); err != nil {
			return metric.Metric{}, err
		}
	}
	if m.ID == "" && (n.kind == metric.Material || n.kind == metric.Expiry) {
		return metric.Metric{}, invalid("The metric " + name + " has a dimension that names what it is about.")
	}
	return m, nil
}

// known lists the metrics.
func known() string {
	list := make([]string, len(metricNames))
	for i, n := range metricNames {
		list[i] = n.namespace + " " + n.name
	}
	return strings.Join(list, ", ")
}

// read puts a dimension into a series of its kind.
func (d *dimension) read(s *metric.Series) error {
	kinds := map[string][]metric.Kind{
		dimensionKey: {metric.Calls, metric.Material}, dimensionOperation: {metric.Calls},
		dimensionAuthority: {metric.Issues}, dimensionCertificate: {metric.Expiry},
	}
	twice := s.ID != "" && d.name != dimensionOperation || s.Operation != key.NoAction && d.name == dimensionOperation
	if !slices.Contains(kinds[d.name], s.Kind) || twice {
		return invalid("The metric does not have the dimension " + d.name + ", or not more than once.")
	}
	ok := false
	switch d.name {
	case dimensionKey:
		s.ID, ok = d.value, keyID.MatchString(d.value)
	case dimensionOperation:
		s.Operation, ok = operation(d.value)
	case dimensionAuthority:
		s.ID, ok = resourceID(s, key.KindAuthority, d.value)
	case dimensionCertificate:
		s.ID, ok = resourceID(s, key.KindManaged, d.value)
	}
	if !ok {
		return invalid("The value " + d.value + " of the dimension " + d.name + " is not " + dimensionValues[d.name] +
			" of this account and region.")
	}
	return nil
}

// dimensionValues say what dimensions have.
var dimensionValues = map[string]string{
	dimensionKey:       "the id of a key (neither its ARN nor an alias)",
	dimensionOperation: "the name of an operation on keys", dimensionAuthority: "the ARN of an authority",
	dimensionCertificate: "the ARN of a certificate",
}

// operation returns the action that operationName calls by a name.
func operation(name string) (key.Action, bool) {
	for _, a := range key.Actions() {
		if metric.Counts(a) == metric.Calls && operationName(a) == name {
			return a, true
		}
	}
	return key.NoAction, false
}

func resourceID(s *metric.Series, kind key.ResourceKind, arn string) (string, bool) {
	r, ok := wire.ParseResource(arn)
	return r.ID, ok && r.Kind == kind && r.Realm == s.Realm && r.Region == s.Region
}

// The names of closed sets, and their values.

var statistics = map[string]metric.Statistic{
	"SampleCount": metric.SampleCount, "Average": metric.Average, "Sum": metric.Sum, "Minimum": metric.Minimum, "Maximum": metric.Maximum,
}

var statisticNames = []string{"SampleCount", "Average", "Sum", "Minimum", "Maximum"}

var states = map[string]alarm.State{"OK": alarm.OK, "ALARM": alarm.Alarming, "INSUFFICIENT_DATA": alarm.Insufficient}

var stateNames = []string{"OK", "ALARM", "INSUFFICIENT_DATA"}

var comparisons = map[string]alarm.Comparison{
	"GreaterThanOrEqualToThreshold": alarm.GreaterOrEqual, "GreaterThanThreshold": alarm.Greater,
	"LessThanThreshold": alarm.Less, "LessThanOrEqualToThreshold": alarm.LessOrEqual,
}

// comparisonNames are AWS's, of which the last three are for bands that an
// anomaly detector finds.
var comparisonNames = []string{
	"GreaterThanOrEqualToThreshold", "GreaterThanThreshold", "LessThanThreshold", "LessThanOrEqualToThreshold",
	"LessThanLowerOrGreaterThanUpperThreshold", "LessThanLowerThreshold", "GreaterThanUpperThreshold",
}

var missings = map[string]alarm.Missing{
	"missing": alarm.AsMissing, "ignore": alarm.Ignored, "breaching": alarm.Breaching, "notBreaching": alarm.NotBreaching,
}

var missingNames = []string{"missing", "ignore", "breaching", "notBreaching"}

var units = []string{
	"Seconds", "Microseconds", "Milliseconds", "Bytes", "Kilobytes", "Megabytes", "Gigabytes", "Terabytes", "Bits", "Kilobits",
	"Megabits", "Gigabits", "Terabits", "Percent", "Count", "Bytes/Second", "Kilobytes/Second", "Megabytes/Second",
	"Gigabytes/Second", "Terabytes/Second", "Bits/Second", "Kilobits/Second", "Megabits/Second", "Gigabits/Second",
	"Terabits/Second", "Count/Second", "None",
}

// named returns the name of a value of a closed set.
func named[T comparable](names map[string]T, value T) string {
	for name, v := range names {
		if v == value {
			return name
		}
	}
	return ""
}
