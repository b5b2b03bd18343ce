package trail

import (
	"slices"
	"strings"

	"github.com/holdfast-kms/holdfast/internal/fault"
)

// Selectors say which events a trail has: those of any.
type Selectors struct {
	Basic  []Basic
	Fields []Fields
}

// Access is whether events of what reads or what writes are wanted.
type Access string

// The kinds of access.
const (
	Everything Access = "all"
	Reads      Access = "read"
	Writes     Access = "write"
)

// Basic selects events by what they do.
type Basic struct {
	Access Access `json:"access"`
	// Management has management events, but for those of the sources in Without.
	Management bool     `json:"management,omitempty"`
	Without    []string `json:"without,omitempty"`
	// Data has data events of things of these types, by the beginnings of
	// their names.
	Data []Data `json:"data,omitempty"`
}

// Data are things of a type.
type Data struct {
	Type   string   `json:"type"`
	Values []string `json:"values,omitempty"`
}

// Fields selects events for which all conditions hold.
type Fields struct {
	Name       string      `json:"name,omitempty"`
	Conditions []Condition `json:"conditions"`
}

// Condition is what a field of an event must be: something of each list that
// is not empty, and nothing of those whose names begin with Not.
type Condition struct {
	Field         string   `json:"field"`
	Equals        []string `json:"equals,omitempty"`
	StartsWith    []string `json:"startsWith,omitempty"`
	EndsWith      []string `json:"endsWith,omitempty"`
	NotEquals     []string `json:"notEquals,omitempty"`
	NotStartsWith []string `json:"notStartsWith,omitempty"`
	NotEndsWith   []string `json:"notEndsWith,omitempty"`
}

// The fields that conditions are about.
const (
	FieldCategory  = "eventCategory"
	FieldReadOnly  = "readOnly"
	FieldName      = "eventName"
	FieldSource    = "eventSource"
	FieldType      = "eventType"
	FieldThing     = "resources.ARN"
	FieldThingType = "resources.type"
	FieldPrincipal = "userIdentity.arn"
)

// The values of FieldCategory.
const (
	CategoryManagement = "Management"
	CategoryData       = "Data"
)

// MaxSelectors is how many basic selectors a trail has, MaxConditions how many
// values all conditions together.
const (
	MaxSelectors  = 5
	MaxConditions = 500
)

// check refuses selectors that no trail can have.
func (s *Selectors) check() error {
	if len(s.Basic) > 0 && len(s.Fields) > 0 {
		return invalid("there are basic selectors or advanced ones, not both")
	}
	if len(s.Basic) > MaxSelectors {
		return invalid("a trail has at most 5 event selectors")
	}
	total := 0
	for i := range s.Fields {
		for j := range s.Fields[i].Conditions {
			total += s.Fields[i].Conditions[j].size()
		}
		if err := s.Fields[i].check(); err != nil {
			return err
		}
	}
	if total > MaxConditions {
		return invalid("advanced event selectors have at most 500 values")
	}
	return nil
}

func invalid(text string) error { return fault.New(fault.InvalidArgument, "%s", text) }

func (f *Fields) check() error {
	category := false
	for i := range f.Conditions {
		c := &f.Conditions[i]
		switch c.Field {
		case FieldReadOnly, FieldName, FieldSource, FieldType, FieldThing, FieldThingType, FieldPrincipal:
		case FieldCategory:
			category = len(c.Equals) == 1 && c.size() == 1 && (c.Equals[0] == CategoryManagement || c.Equals[0] == CategoryData)
		default:
			return fault.New(fault.InvalidArgument, "advanced event selectors have no field %q", c.Field)
		}
		if c.size() == 0 {
			return fault.New(fault.InvalidArgument, "the field %q has no operator", c.Field)
		}
		if slices.ContainsFunc(f.Conditions[:i], func(o Condition) bool { return o.Field == c.Field }) {
			return fault.New(fault.InvalidArgument, "the field %q is there twice", c.Field)
		}
	}
	if !category {
		return invalid("an advanced event selector has eventCategory equal to Management or Data")
	}
	return nil
}

func (c *Condition) size() int {
	return len(c.Equals) + len(c.StartsWith) + len(c.EndsWith) + len(c.NotEquals) + len(c.NotStartsWith) + len(c.NotEndsWith)
}

// wants reports whether a trail has an event.
func (t *Trail) wants(e *Event) bool {
	if e.Region != t.Region && !t.AllRegions && !e.Global || e.Global && !t.Global {
		return false
	}
	if !t.Custom() {
		return !e.Data
	}
	return slices.ContainsFunc(t.Selectors.Basic, func(b Basic) bool { return b.wants(e) }) ||
		slices.ContainsFunc(t.Selectors.Fields, func(f Fields) bool { return f.wants(e) })
}

func (b *Basic) wants(e *Event) bool {
	if b.Access == Reads && !e.ReadOnly || b.Access == Writes && e.ReadOnly {
		return false
	}
	if !e.Data {
		return b.Management && !slices.Contains(b.Without, e.Source)
	}
	return slices.ContainsFunc(b.Data, func(d Data) bool {
		return d.Type == e.ThingType && slices.ContainsFunc(d.Values, func(v string) bool { return strings.HasPrefix(e.Thing, v) })
	})
}

func (f *Fields) wants(e *Event) bool {
	for i := range f.Conditions {
		if !f.Conditions[i].holds(e.field(f.Conditions[i].Field)) {
			return false
		}
	}
	return true
}

// field returns what an event has for a field of conditions.
func (e *Event) field(name string) string {
	switch name {
	case FieldCategory:
		if e.Data {
			return CategoryData
		}
		return CategoryManagement
	case FieldReadOnly:
		if e.ReadOnly {
			return "true"
		}
		return "false"
	case FieldName:
		return e.Name
	case FieldSource:
		return e.Source
	case FieldType:
		return e.Type
	case FieldThing:
		return e.Thing
	case FieldThingType:
		return e.ThingType
	case FieldPrincipal:
		return e.Principal
	}
	return ""
}

func (c *Condition) holds(value string) bool {
	is := func(list []string, test func(string) bool) bool {
		return len(list) == 0 || slices.ContainsFunc(list, test)
	}
	equal := func(v string) bool { return v == value }
	starts := func(v string) bool { return strings.HasPrefix(value, v) }
	ends := func(v string) bool { return strings.HasSuffix(value, v) }
	return is(c.Equals, equal) && is(c.StartsWith, starts) && is(c.EndsWith, ends) &&
		!slices.ContainsFunc(c.NotEquals, equal) && !slices.ContainsFunc(c.NotStartsWith, starts) && !slices.ContainsFunc(c.NotEndsWith, ends)
}
