// Package filter says which messages a subscription wants, in the language of
// Amazon SNS's filter policies ("Amazon SNS subscription filter policies").
//
// Start with Parse.
package filter

import (
	"encoding/json"
	"errors"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/holdfast-kms/holdfast/internal/fault"
)

// wrong is the error for what is no filter.
func wrong(format string, args ...any) error {
	return fault.New(fault.InvalidArgument, format, args...)
}

// Filter is which messages are wanted: every name has a rule that one of the
// values under it fulfils. Of what AWS has, cidr, wildcard and $or are refused by
// name.
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
	maxSize         = 256 << 10
	maxNames        = 5
	maxCombinations = 150
	maxDepth        = 8
)

// Parse reads the document of a filter, which is on bodies or else on attributes:
// of those, no rule is of rules.
func Parse(text string, bodies bool) (*Filter, error) {
	if len(text) > maxSize {
		return nil, wrong("a filter has at most %d bytes", maxSize)
	}
	value, err := JSON(text)
	if err != nil {
		return nil, wrong("the filter is no JSON")
	}
	p := &parser{bodies: bodies, combinations: 1}
	f, err := p.object(value, 1)
	switch {
	case err != nil:
		return nil, err
	case p.names > maxNames || p.combinations > maxCombinations:
		return nil, fault.New(fault.LimitExceeded, "a filter has at most %d names and %d combinations of values", maxNames, maxCombinations)
	}
	return f, nil
}

// JSON reads one JSON value with its numbers as they are, for Wants.
func JSON(text string) (any, error) {
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	var value any
	if err := d.Decode(&value); err != nil {
		return nil, err
	}
	if d.More() {
		return nil, errors.New("more than one value")
	}
	return value, nil
}

// parser counts what a filter has.
type parser struct {
	bodies              bool
	names, combinations int
}

func (p *parser) object(value any, depth int) (*Filter, error) {
	members, ok := value.(map[string]any)
	if !ok || len(members) == 0 || depth > maxDepth {
		return nil, wrong("a filter is an object with at least one name, at most %d deep", maxDepth)
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
			err = wrong("%q must be an array", name)
		}
		if err != nil {
			return nil, err
		}
		f.rules = append(f.rules, r)
	}
	return f, nil
}

// tests reads the array under a name.
func (p *parser) tests(name string, list []any, depth int) ([]test, error) {
	if len(list) == 0 {
		return nil, wrong("%q has no values", name)
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
			return nil, wrong("an array in an array")
		}
		return func(v any, absent bool) bool { return !absent && equal(v, value) }, nil
	}
	if len(operator) != 1 {
		return nil, wrong("an operator is an object with one name")
	}
	for name, of := range operator {
		testFor, ok := operators[name]
		if !ok {
			return nil, fault.New(fault.Unsupported, "the filter's operator %q is not supported", name)
		}
		t, ok := testFor(of)
		if !ok {
			return nil, wrong("the operator %q has a wrong value", name)
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
			testFor, ok := affixes[name]
			if !ok {
				return nil, false
			}
			t, ok := testFor(under)
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

// Wants reports whether the values, which JSON read, have what the filter asks
// for.
func (f *Filter) Wants(values map[string]any) bool {
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
			return ok && r.under.Wants(members)
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
