package topic

import (
	"bytes"
	"encoding/json"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/holdfast-kms/holdfast/internal/fault"
)

// Filter is which messages a subscription wants ("Amazon SNS subscription
// filter policies"): every name has a rule that one of the values under it
// fulfils. Of what AWS has, cidr, wildcard and $or are refused by name.
type Filter struct {
	rules []rule
}

// rule is what a name's values have to be: one of the tests holds for one of
// them. Of a filter on bodies it may be a filter of its own.
type rule struct {
	name  string
	under *Filter
	tests []test
}

// test judges one value; absent says that there is none.
type test func(value any, absent bool) bool

// The bounds of a filter, as AWS has them.
const (
	maxFilter       = 256 << 10
	maxFilterNames  = 5
	maxCombinations = 150
	maxFilterDepth  = 8
)

// ParseFilter reads the document of a filter, which is on bodies or else on
// attributes.
func ParseFilter(text string, bodies bool) (*Filter, error) {
	if len(text) > maxFilter {
		return nil, Wrong("FilterPolicy", "a filter has at most %d bytes", maxFilter)
	}
	value, err := readJSON(text)
	if err != nil {
		return nil, Wrong("FilterPolicy", "the filter is no JSON")
	}
	p := &filterParser{bodies: bodies, combinations: 1}
	f, err := p.object(value, 1)
	switch {
	case err != nil:
		return nil, err
	case p.names > maxFilterNames || p.combinations > maxCombinations:
		e := fault.New(fault.LimitExceeded, "a filter has at most %d names and %d combinations of values", maxFilterNames, maxCombinations)
		e.Err = &Invalid{"FilterPolicy"}
		return nil, e
	}
	return f, nil
}

// readJSON reads one JSON value with its numbers as they are.
func readJSON(text string) (any, error) {
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	var value any
	if err := d.Decode(&value); err != nil {
		return nil, err
	}
	if d.More() {
		return nil, bytes.ErrTooLarge
	}
	return value, nil
}

// filterParser counts what a filter has.
type filterParser struct {
	bodies              bool
	names, combinations int
}

func (p *filterParser) object(value any, depth int) (*Filter, error) {
	members, ok := value.(map[string]any)
	if !ok || len(members) == 0 || depth > maxFilterDepth {
		return nil, Wrong("FilterPolicy", "a filter is an object with at least one name, at most %d deep", maxFilterDepth)
	}
	f := new(Filter)
	for name, under := range members {
		if strings.HasPrefix(name, "$") {
			return nil, fault.New(fault.Unsupported, "the filter's operator %s is not supported", name)
		}
		r := rule{name: name}
		list, isList := under.([]any)
		var err error
		switch {
		case isList:
			r.tests, err = p.tests(name, list, depth)
		case p.bodies:
			r.under, err = p.object(under, depth+1)
		default:
			err = Wrong("FilterPolicy", "%q must be an array", name)
		}
		if err != nil {
			return nil, err
		}
		f.rules = append(f.rules, r)
	}
	return f, nil
}

// tests reads the array under a name.
func (p *filterParser) tests(name string, list []any, depth int) ([]test, error) {
	if len(list) == 0 {
		return nil, Wrong("FilterPolicy", "%q has no values", name)
	}
	p.names++
	if p.combinations *= len(list) * depth; p.combinations > maxCombinations {
		p.combinations = maxCombinations + 1
	}
	tests := make([]test, 0, len(list))
	for _, value := range list {
		t, err := testOf(value)
		if err != nil {
			return nil, err
		}
		tests = append(tests, t)
	}
	return tests, nil
}

// testOf reads one value of an array: what a value has to be, or an operator.
func testOf(value any) (test, error) {
	operator, ok := value.(map[string]any)
	if !ok {
		if _, isList := value.([]any); isList {
			return nil, Wrong("FilterPolicy", "an array in an array")
		}
		return func(v any, absent bool) bool { return !absent && equal(v, value) }, nil
	}
	if len(operator) != 1 {
		return nil, Wrong("FilterPolicy", "an operator is an object with one name")
	}
	for name, of := range operator {
		make, ok := operators[name]
		if !ok {
			return nil, fault.New(fault.Unsupported, "the filter's operator %q is not supported", name)
		}
		t, ok := make(of)
		if !ok {
			return nil, Wrong("FilterPolicy", "the operator %q has a wrong value", name)
		}
		return t, nil
	}
	return nil, nil //nolint:nilnil // not reached: the object has one name
}

// affixes are the operators that anything-but takes.
var affixes = map[string]func(of any) (test, bool){
	"prefix": onTexts(strings.HasPrefix),
	"suffix": onTexts(strings.HasSuffix),
}

// operators make tests of the values of operators.
var operators = map[string]func(of any) (test, bool){
	"prefix":             affixes["prefix"],
	"suffix":             affixes["suffix"],
	"equals-ignore-case": onTexts(strings.EqualFold),
	"anything-but":       anythingBut,
	"numeric":            numeric,
	"exists": func(of any) (test, bool) {
		wanted, ok := of.(bool)
		return func(_ any, absent bool) bool { return absent != wanted }, ok
	},
}

// onTexts makes an operator of what compares two texts.
func onTexts(holds func(value, of string) bool) func(any) (test, bool) {
	return func(of any) (test, bool) {
		text, ok := of.(string)
		return func(v any, absent bool) bool {
			value, isText := v.(string)
			return !absent && isText && holds(value, text)
		}, ok && text != ""
	}
}

// anythingBut is fulfilled by a value that none of some are: values, or one
// object with a prefix or suffix.
func anythingBut(of any) (test, bool) {
	var refused []test
	switch of := of.(type) {
	case []any:
		for _, value := range of {
			if !isScalar(value) {
				return nil, false
			}
			refused = append(refused, func(v any, _ bool) bool { return equal(v, value) })
		}
	case map[string]any:
		for name, under := range of {
			make, ok := affixes[name]
			if !ok {
				return nil, false
			}
			t, ok := make(under)
			if !ok {
				return nil, false
			}
			refused = append(refused, t)
		}
	case string, json.Number:
		refused = append(refused, func(v any, _ bool) bool { return equal(v, of) })
	}
	return func(v any, absent bool) bool {
		return !absent && !slices.ContainsFunc(refused, func(t test) bool { return t(v, false) })
	}, len(refused) > 0
}

func isScalar(v any) bool {
	switch v.(type) {
	case string, json.Number:
		return true
	}
	return false
}

// numeric is fulfilled by a number within bounds: pairs of an operator and a
// number.
func numeric(of any) (test, bool) {
	list, ok := of.([]any)
	if !ok || len(list) != 2 && len(list) != 4 {
		return nil, false
	}
	low, high := math.Inf(-1), math.Inf(1)
	openLow, openHigh := false, false
	for i := 0; i < len(list); i += 2 {
		operator, isText := list[i].(string)
		n, isNumber := number(list[i+1])
		if !isText || !isNumber || operator == "=" && len(list) != 2 {
			return nil, false
		}
		switch operator {
		case "=":
			low, high = n, n
		case ">", ">=":
			low, openLow = n, operator == ">"
		case "<", "<=":
			high, openHigh = n, operator == "<"
		default:
			return nil, false
		}
	}
	return func(v any, absent bool) bool {
		n, ok := number(v)
		return !absent && ok && (n > low || n == low && !openLow) && (n < high || n == high && !openHigh)
	}, low <= high
}

// number returns a JSON number's value.
func number(v any) (float64, bool) {
	n, ok := v.(json.Number)
	if !ok {
		return 0, false
	}
	f, err := strconv.ParseFloat(n.String(), 64)
	return f, err == nil
}

// equal compares a value with one of a filter: numbers by what they are worth.
func equal(v, of any) bool {
	if a, ok := number(v); ok {
		b, ok := number(of)
		return ok && a == b
	}
	switch v.(type) {
	case string, bool, nil:
		return v == of
	}
	return false
}

// wants reports whether the values have what the filter asks for.
func (f *Filter) wants(values map[string]any) bool {
	return !slices.ContainsFunc(f.rules, func(r rule) bool {
		value, there := values[r.name]
		return !r.holds(value, there)
	})
}

func (r *rule) holds(value any, there bool) bool {
	list, isList := value.([]any)
	if r.under != nil {
		if !isList {
			list = []any{value}
		}
		return slices.ContainsFunc(list, func(v any) bool {
			members, ok := v.(map[string]any)
			return ok && r.under.wants(members)
		})
	}
	if !there || isList && len(list) == 0 {
		return slices.ContainsFunc(r.tests, func(t test) bool { return t(nil, true) })
	}
	if !isList {
		list = []any{value}
	}
	return slices.ContainsFunc(r.tests, func(t test) bool {
		return slices.ContainsFunc(list, func(v any) bool { return t(v, false) })
	})
}

// Wants reports whether a subscription with the filter gets a message. A filter
// on bodies wants none that is no JSON object.
func (f *Filter) Wants(m *Publication, bodies bool, body string) bool {
	if !bodies {
		return f.wants(attributeValues(m.Attributes))
	}
	value, err := readJSON(body)
	members, ok := value.(map[string]any)
	return err == nil && ok && f.wants(members)
}

// attributeValues returns what a filter sees of attributes: bytes are not seen.
func attributeValues(list []Attribute) map[string]any {
	values := make(map[string]any, len(list))
	for _, a := range list {
		kind, _, _ := strings.Cut(a.Type, ".")
		switch {
		case a.Type == "String.Array":
			if value, err := readJSON(a.Text); err == nil {
				values[a.Name] = value
			}
		case kind == "Number":
			values[a.Name] = json.Number(a.Text)
		case kind == "String":
			values[a.Name] = a.Text
		}
	}
	return values
}
