package cloudwatch

import (
	"context"
	"encoding/json"
	"time"

	"github.com/holdfast-kms/holdfast/internal/alarm"
	"github.com/holdfast-kms/holdfast/internal/front/aws"
	"github.com/holdfast-kms/holdfast/internal/key"
	wire "github.com/holdfast-kms/holdfast/internal/wire/aws"
)

type historyRequest struct {
	name, item, scan, token string
	types                   []string
	start, end              time.Time
	most                    int
}

// historyItems are the types of a history's entries, and what they are about.
var historyItems = map[string][]alarm.Event{
	"ConfigurationUpdate":         {alarm.Created, alarm.Updated, alarm.Deleted, alarm.ActionsTurned},
	"StateUpdate":                 {alarm.StateChanged},
	"Action":                      {alarm.Published, alarm.NotPublished},
	"AlarmContributorStateUpdate": {none}, // of alarms that Holdfast does not have
	"AlarmContributorAction":      {none},
}

// none is an event that never happens.
const none = alarm.Event("none")

var historyItemNames = []string{
	"ConfigurationUpdate", "StateUpdate", "Action", "AlarmContributorStateUpdate", "AlarmContributorAction",
}

// Members declares DescribeAlarmHistory's request.
func (r *historyRequest) Members(m *aws.Members) {
	m.Text("AlarmName", &r.name, 1, maxText)
	m.Unsupported("AlarmContributorId")
	m.List("AlarmTypes", &r.types, 0, 0, maxText).OneOf(alarmTypes)
	m.Enum("HistoryItemType", &r.item, historyItemNames)
	m.Time("StartDate", &r.start)
	m.Time("EndDate", &r.end)
	m.Int("MaxRecords", &r.most, 1, alarm.MaxPage)
	m.Text("NextToken", &r.token, 0, maxToken)
	m.Enum("ScanBy", &r.scan, scans)
}

func (f *front) describeAlarmHistory(ctx context.Context, x *aws.Exchange, in *historyRequest) error {
	page, err := x.Page(aws.PageRequest{Limit: in.most, Marker: in.token}, alarm.MaxPage, strayToken)
	if err != nil {
		return err
	}
	h := &alarm.History{
		Name: in.name, Events: historyItems[in.item], From: in.start, To: in.end, OldestFirst: in.scan == oldestFirst,
		After: page.After, Limit: page.Limit,
	}
	if len(in.types) == 1 && in.types[0] == compositeAlarm {
		h.Events = []alarm.Event{none}
	}
	list, next, err := f.alarms.History(ctx, &x.Call, h)
	if err != nil {
		return err
	}
	w := x.Writer()
	w.Array("AlarmHistoryItems", func() {
		for _, c := range list {
			w.Object("", func() { writeChange(x, c) })
		}
	})
	writeNext(x, next)
	return nil
}

// writeChange writes an AlarmHistoryItem.
func writeChange(x *aws.Exchange, c *alarm.Change) {
	summary, data := summaryOf(x, c)
	w := x.Writer()
	w.Text("AlarmName", c.Name)
	w.Text("AlarmType", metricAlarm)
	w.Time("Timestamp", c.At)
	w.Text("HistoryItemType", itemOf(c.Event))
	w.Text("HistorySummary", summary)
	w.Text("HistoryData", jsonText(data))
}

func itemOf(e alarm.Event) string {
	switch e {
	case alarm.StateChanged:
		return "StateUpdate"
	case alarm.Published, alarm.NotPublished:
		return "Action"
	case alarm.Created, alarm.Updated, alarm.Deleted, alarm.ActionsTurned:
	}
	return "ConfigurationUpdate"
}

// historyVersion is the version of the data of entries.
const historyVersion = "1.0"

// stateData is a state in an entry's data.
type stateData struct {
	Value   string          `json:"stateValue"`
	Reason  string          `json:"stateReason"`
	Details json.RawMessage `json:"stateReasonData,omitempty"`
}

func stateOf(s alarm.State, reason, details string) stateData {
	return stateData{named(states, s), reason, json.RawMessage(details)}
}

// summaryOf returns what an entry says in a sentence, and its data.
func summaryOf(x *aws.Exchange, c *alarm.Change) (summary string, data map[string]any) {
	data = map[string]any{"version": historyVersion}
	switch c.Event {
	case alarm.Created:
		data["type"] = "Create"
		return "Alarm \"" + c.Name + "\" created", data
	case alarm.Updated, alarm.ActionsTurned:
		data["type"] = "Update"
		if c.Event == alarm.ActionsTurned {
			data["updatedAlarm"] = map[string]any{"actionsEnabled": c.Enabled}
		}
		return "Alarm \"" + c.Name + "\" updated", data
	case alarm.Deleted:
		data["type"] = "Delete"
		return "Alarm \"" + c.Name + "\" deleted", data
	case alarm.StateChanged:
		data["oldState"] = stateOf(c.From, c.FromReason, c.FromDetails)
		data["newState"] = stateOf(c.To, c.ToReason, c.ToDetails)
		return "Alarm updated from " + named(states, c.From) + " to " + named(states, c.To), data
	case alarm.Published, alarm.NotPublished:
	}
	r := key.Resource{Kind: key.KindTopic, Realm: x.Call.Caller.Principal.Realm, Region: x.Call.Region, ID: c.Topic}
	arn := wire.ResourceARN(r)
	data["notificationResource"] = arn
	if c.Event == alarm.NotPublished {
		data["actionState"], data["error"] = "Failed", c.Failure
		return "Failed to execute action " + arn, data
	}
	data["actionState"] = "Succeeded"
	return "Successfully executed action " + arn, data
}
