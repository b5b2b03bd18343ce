package policy

import (
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/holdfast-kms/holdfast/internal/key"
)

// Vocabulary is the words of a dialect: what the names in its documents stand
// for. Everything but ResourceName is asked at compile time only; the text of
// an error goes to the author of the document. A Vocabulary is immutable and
// used by many goroutines.
type Vocabulary interface {
	// Actions returns the actions that a name, perhaps with wildcards, stands
	// for. A well-formed name of an action that Holdfast does not have stands
	// for none and is no error.
	Actions(pattern string) (key.ActionSet, error)
	// Principal returns whom a name stands for, in a member of a Principal
	// element such as {"AWS": name}.
	Principal(class, name string) (Principal, error)
	// CheckResource returns an error for what cannot be a resource's name,
	// perhaps with wildcards.
	CheckResource(pattern string) error
	// ResourceName returns the name by which documents know the resource.
	ResourceName(r key.Resource) string
	// ConditionKey returns what a condition key, or policy variable, asks for.
	// A key of a known namespace that no request has is no error: its Get is nil.
	ConditionKey(name string) (ConditionKey, error)
}

// Principal is whom a document names. The zero value is nobody that Holdfast
// knows.
type Principal struct {
	// Everyone stands for all callers, the anonymous one included.
	Everyone bool
	// Principal is otherwise the principal named. Root stands for its whole
	// realm too; a Session is named by the last two parts of its name
	// ("role/session"), since its role's path is no part of it; a Service's
	// realm is empty, and its name stands for "name/…" too. A Federated's realm
	// may be empty: it then is the issuer of that name, whose realm it is.
	key.Principal
}

// ConditionKey is a fact of a request that conditions can ask for.
type ConditionKey struct {
	// Get returns the i-th value of the key, from 0, or false when there is
	// none: a key without a value at 0 is missing. A nil Get never has one.
	Get func(r *Request, i int) (Value, bool)
	// Multivalued says that the key can have several values in one request.
	Multivalued bool
}

// Value is one value of a condition key, with its type.
type Value struct {
	kind   valueKind
	text   string
	number float64
	time   time.Time
	addr   netip.Addr
}

type valueKind uint8

const (
	textValue valueKind = iota
	numberValue
	timeValue
	boolValue
	addressValue
)

// Text returns a string's value.
func Text(s string) Value { return Value{text: s} }

// Number returns a number's value.
func Number(n float64) Value { return Value{kind: numberValue, number: n} }

// Time returns a moment's value.
func Time(t time.Time) Value { return Value{kind: timeValue, time: t} }

// Bool returns a truth value.
func Bool(b bool) Value {
	if b {
		return Value{kind: boolValue, text: "true"}
	}
	return Value{kind: boolValue, text: "false"}
}

// Address returns an IP address's value.
func Address(a netip.Addr) Value { return Value{kind: addressValue, addr: a.Unmap()} }

// String returns the value as string operators compare it.
func (v *Value) String() string {
	switch v.kind {
	case numberValue:
		return strconv.FormatFloat(v.number, 'f', -1, 64)
	case timeValue:
		return v.time.UTC().Format(time.RFC3339)
	case addressValue:
		return v.addr.String()
	case textValue, boolValue:
	}
	return v.text
}

// asNumber returns the value as a number; a moment's is its Unix time.
func (v *Value) asNumber() (float64, bool) {
	switch v.kind {
	case numberValue:
		return v.number, true
	case timeValue:
		return float64(v.time.Unix()), true
	case textValue:
		return parseNumber(v.text)
	case boolValue, addressValue:
	}
	return 0, false
}

// asTime returns the value as a moment; a number's is that Unix time.
func (v *Value) asTime() (time.Time, bool) {
	switch v.kind {
	case timeValue:
		return v.time, true
	case numberValue:
		return time.Unix(int64(v.number), 0), true
	case textValue:
		return parseTime(v.text)
	case boolValue, addressValue:
	}
	return time.Time{}, false
}

// asAddress returns the value as an IP address.
func (v *Value) asAddress() (netip.Addr, bool) {
	if v.kind == addressValue {
		return v.addr, true
	}
	a, err := netip.ParseAddr(v.text)
	return a.Unmap(), err == nil
}

// parseNumber reads a decimal number. Go's hexadecimal, infinite and
// underscored forms are no numbers of a policy.
func parseNumber(s string) (float64, bool) {
	if strings.Trim(s, "0123456789+-.eE") != "" {
		return 0, false
	}
	n, err := strconv.ParseFloat(s, 64)
	return n, err == nil
}

// timeLayouts are the W3C profile of ISO 8601 (NOTE-datetime); Go reads a
// fraction of seconds by itself.
var timeLayouts = [...]string{
	"2006-01-02T15:04:05Z07:00", "2006-01-02T15:04Z07:00", "2006-01-02", "2006-01", "2006",
}

// parseTime reads a date of the profile, or a Unix time in seconds. Four
// digits are a year.
func parseTime(s string) (time.Time, bool) {
	for _, layout := range timeLayouts {
		if t, err := time.Parse(layout, s); err == nil {
			return t, true
		}
	}
	seconds, err := strconv.ParseInt(s, 10, 64)
	return time.Unix(seconds, 0), err == nil
}
