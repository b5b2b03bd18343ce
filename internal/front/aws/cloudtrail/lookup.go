package cloudtrail

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/front/aws"
	"github.com/holdfast-kms/holdfast/internal/trail"
	wire "github.com/holdfast-kms/holdfast/internal/wire/aws"
)

// maxEvents is how many events a page has at most, and usually.
const maxEvents = 50

// strayToken is the text for a token that is of another listing, or of none.
const strayToken = "the token is not valid: it is of another request, or of none"

type lookupRequest struct {
	attributes []attribute
	start, end time.Time
	category   string
	limit      int
	token      string
}

// Members declares LookupEvents' request.
func (r *lookupRequest) Members(m *aws.Members) {
	aws.Structs(m, "LookupAttributes", &r.attributes, maxEvents)
	m.Time("StartTime", &r.start)
	m.Time("EndTime", &r.end)
	m.Enum("EventCategory", &r.category, []string{"insight"})
	m.Int("MaxResults", &r.limit, 1, maxEvents)
	m.Text("NextToken", &r.token, 1, maxText)
}

// attribute is a LookupAttribute.
type attribute struct{ key, value string }

// Members declares the structure.
func (a *attribute) Members(m *aws.Members) {
	m.Enum("AttributeKey", &a.key, []string{
		"EventId", "EventName", "ReadOnly", "Username", "ResourceType", "ResourceName", "EventSource", "AccessKeyId",
	}).Required()
	m.Text("AttributeValue", &a.value, 1, 2000).Required()
}

// facets are what attributes are found by.
var facets = map[string]string{
	"EventName": trail.FacetName, "ReadOnly": trail.FacetReadOnly, "Username": trail.FacetUsername,
	"ResourceType": trail.FacetThingType, "ResourceName": trail.FacetThing, "EventSource": trail.FacetSource,
	"AccessKeyId": trail.FacetAccessKey,
}

func (f *front) lookupEvents(ctx context.Context, x *aws.Exchange, in *lookupRequest) error {
	l, err := in.lookup()
	if err != nil {
		return err
	}
	page, err := x.Page(aws.PageRequest{Limit: in.limit, Marker: in.token}, maxEvents, strayToken)
	if err != nil {
		return err
	}
	l.Limit = page.Limit
	if page.After != "" {
		before, err := strconv.ParseUint(page.After, 10, 64)
		if err != nil {
			return fault.Because(fault.InvalidArgument, fault.MalformedMarker, "%s", strayToken)
		}
		l.Before = trail.Position(before)
	}
	list, next, err := f.trails.Lookup(ctx, &x.Call, l)
	if err != nil {
		return err
	}
	x.Out.Array("Events", func() {
		for i := range list {
			x.Out.Object("", func() { writeEvent(&x.Out, &list[i]) })
		}
	})
	if next > 0 {
		x.Out.Text("NextToken", x.NextMarker(strconv.FormatUint(uint64(next), 10)))
	}
	return nil
}

// lookup puts a request into the core's words.
func (r *lookupRequest) lookup() (*trail.Lookup, error) {
	l := &trail.Lookup{Since: r.start}
	switch {
	case r.category != "":
		return nil, wire.Unsupported("Holdfast does not support the parameter EventCategory.")
	case len(r.attributes) > 1:
		return nil, wire.Invalid("InvalidLookupAttributesException", "You can only specify one lookup attribute.")
	case !r.start.IsZero() && !r.end.IsZero() && r.end.Before(r.start):
		return nil, wire.Invalid("InvalidTimeRangeException", "The start time is after the end time.")
	}
	if !r.end.IsZero() { // events are shown with whole seconds, and the last one is in
		l.Until = r.end.Truncate(time.Second).Add(time.Second)
	}
	for _, a := range r.attributes {
		switch {
		case a.key == "EventId":
			l.ID = a.value
		case a.key == "ResourceName" && !strings.HasPrefix(a.value, "arn:"):
			l.Thing = a.value
		case a.key == "ReadOnly" && a.value != "true" && a.value != "false":
			return nil, wire.Invalid("InvalidLookupAttributesException", "The value of ReadOnly is true or false.")
		default:
			l.Terms = append(l.Terms, trail.Term{Facet: facets[a.key], Value: a.value})
		}
	}
	return l, nil
}

func writeEvent(out *wire.Encoder, e *trail.Found) {
	out.Text("EventId", e.ID)
	out.Text("EventName", e.Name)
	out.Text("ReadOnly", strconv.FormatBool(e.ReadOnly))
	if e.AccessKey != "" {
		out.Text("AccessKeyId", e.AccessKey)
	}
	out.Time("EventTime", e.Time.Truncate(time.Second))
	out.Text("EventSource", e.Source)
	if e.Username != "" {
		out.Text("Username", e.Username)
	}
	out.Array("Resources", func() {
		if e.Thing != "" {
			out.Object("", func() {
				out.Text("ResourceType", e.ThingType)
				out.Text("ResourceName", e.Thing)
			})
		}
	})
	out.Text("CloudTrailEvent", string(e.Document))
}
