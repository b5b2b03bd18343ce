package cloudtrail

import (
	"context"

	"github.com/holdfast-kms/holdfast/internal/front/aws"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/trail"
	wire "github.com/holdfast-kms/holdfast/internal/wire/aws"
)

// accesses are the values of ReadWriteType.
var accesses = []struct {
	name   string
	access trail.Access
}{{"All", trail.Everything}, {"ReadOnly", trail.Reads}, {"WriteOnly", trail.Writes}}

type selectorsRequest struct{ name string }

// Members declares GetEventSelectors' request.
func (r *selectorsRequest) Members(m *aws.Members) {
	m.Text("TrailName", &r.name, 1, maxText).Required()
}

func (f *front) getEventSelectors(ctx context.Context, x *aws.Exchange, in *selectorsRequest) error {
	ref, err := refOf(x, in.name)
	if err != nil {
		return err
	}
	t, err := f.trails.Get(ctx, &x.Call, key.GetEventSelectors, ref)
	if err != nil {
		return err
	}
	writeSelectors(&x.Out, t)
	return nil
}

type putSelectorsRequest struct {
	selectorsRequest
	basic    []eventSelector
	advanced []advancedSelector
}

// The most that is taken of lists for which AWS's model has no bounds.
const (
	maxSources = 10
	maxData    = 250
	maxFields  = 50
	maxValues  = 500
)

// Members declares PutEventSelectors' request.
func (r *putSelectorsRequest) Members(m *aws.Members) {
	r.selectorsRequest.Members(m)
	aws.Structs(m, "EventSelectors", &r.basic, maxFields)
	aws.Structs(m, "AdvancedEventSelectors", &r.advanced, maxValues)
}

// eventSelector is an EventSelector.
type eventSelector struct {
	access     string
	management *bool
	data       []dataResource
	without    []string
}

// Members declares the structure.
func (s *eventSelector) Members(m *aws.Members) {
	m.Enum("ReadWriteType", &s.access, []string{"ReadOnly", "WriteOnly", "All"})
	m.Flag("IncludeManagementEvents", &s.management)
	aws.Structs(m, "DataResources", &s.data, maxData)
	m.List("ExcludeManagementEventSources", &s.without, maxSources, 1, maxText)
}

// dataResource is a DataResource.
type dataResource struct {
	kind   string
	values []string
}

// Members declares the structure.
func (d *dataResource) Members(m *aws.Members) {
	m.Text("Type", &d.kind, 0, maxText)
	m.List("Values", &d.values, maxData, 1, 2*maxText)
}

// advancedSelector is an AdvancedEventSelector.
type advancedSelector struct {
	name   string
	fields []fieldSelector
}

// Members declares the structure.
func (s *advancedSelector) Members(m *aws.Members) {
	m.Text("Name", &s.name, 0, 1000)
	aws.Structs(m, "FieldSelectors", &s.fields, maxFields).AtLeast(1).Required()
}

// fieldSelector is an AdvancedFieldSelector.
type fieldSelector struct{ trail.Condition }

// operators are the operators of a condition, by their names.
func operators(c *trail.Condition) []struct {
	name string
	list *[]string
} {
	return []struct {
		name string
		list *[]string
	}{
		{"Equals", &c.Equals},
		{"StartsWith", &c.StartsWith},
		{"EndsWith", &c.EndsWith},
		{"NotEquals", &c.NotEquals},
		{"NotStartsWith", &c.NotStartsWith},
		{"NotEndsWith", &c.NotEndsWith},
	}
}

// Members declares the structure. The targets are of a copy that is kept.
func (s *fieldSelector) Members(m *aws.Members) {
	m.Text("Field", &s.Field, 1, 1000).Required()
	for _, o := range operators(&s.Condition) {
		m.List(o.name, o.list, maxValues, 1, 2048).AtLeast(1)
	}
}

func (f *front) putEventSelectors(ctx context.Context, x *aws.Exchange, in *putSelectorsRequest) error {
	ref, err := refOf(x, in.name)
	if err != nil {
		return err
	}
	if len(in.basic)+len(in.advanced) == 0 {
		return wire.Invalid(invalidSelectors, "There must be at least one event selector or advanced event selector.")
	}
	var s trail.Selectors
	for i := range in.basic {
		s.Basic = append(s.Basic, in.basic[i].basic())
	}
	for i := range in.advanced {
		fields := trail.Fields{Name: in.advanced[i].name}
		for j := range in.advanced[i].fields {
			fields.Conditions = append(fields.Conditions, in.advanced[i].fields[j].Condition)
		}
		s.Fields = append(s.Fields, fields)
	}
	t, err := f.trails.PutSelectors(ctx, &x.Call, ref, s)
	if err != nil {
		return err
	}
	writeSelectors(&x.Out, t)
	return nil
}

// basic puts a selector into the core's words.
func (s *eventSelector) basic() trail.Basic {
	b := trail.Basic{Access: trail.Everything, Management: s.management == nil || *s.management, Without: s.without}
	for _, a := range accesses {
		if a.name == s.access {
			b.Access = a.access
		}
	}
	for _, d := range s.data {
		b.Data = append(b.Data, trail.Data{Type: d.kind, Values: d.values})
	}
	return b
}

// writeSelectors adds a trail's selectors: without any of its own, the one
// that stands for them.
func writeSelectors(out *wire.Encoder, t *trail.Trail) {
	out.Text("TrailARN", arnOf(t))
	if len(t.Selectors.Fields) > 0 {
		out.Array("AdvancedEventSelectors", func() {
			for i := range t.Selectors.Fields {
				out.Object("", func() { writeFields(out, &t.Selectors.Fields[i]) })
			}
		})
		return
	}
	basic := t.Selectors.Basic
	if len(basic) == 0 {
		basic = []trail.Basic{{Access: trail.Everything, Management: true}}
	}
	out.Array("EventSelectors", func() {
		for i := range basic {
			out.Object("", func() { writeBasic(out, &basic[i]) })
		}
	})
}

func writeBasic(out *wire.Encoder, b *trail.Basic) {
	for _, a := range accesses {
		if a.access == b.Access {
			out.Text("ReadWriteType", a.name)
		}
	}
	out.Bool("IncludeManagementEvents", b.Management)
	out.Array("DataResources", func() {
		for _, d := range b.Data {
			out.Object("", func() {
				out.Text("Type", d.Type)
				writeTexts(out, "Values", d.Values)
			})
		}
	})
	writeTexts(out, "ExcludeManagementEventSources", b.Without)
}

func writeFields(out *wire.Encoder, f *trail.Fields) {
	if f.Name != "" {
		out.Text("Name", f.Name)
	}
	out.Array("FieldSelectors", func() {
		for i := range f.Conditions {
			c := &f.Conditions[i]
			out.Object("", func() {
				out.Text("Field", c.Field)
				for _, o := range operators(c) {
					if len(*o.list) > 0 {
						writeTexts(out, o.name, *o.list)
					}
				}
			})
		}
	})
}

func writeTexts(out *wire.Encoder, name string, list []string) {
	out.Array(name, func() {
		for _, text := range list {
			out.Text("", text)
		}
	})
}
