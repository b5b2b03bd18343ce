package policy

import (
	"cmp"
	"encoding/base64"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// operand is a value in a condition, prepared for its operator.
type operand struct {
	pattern pattern // of strings
	arn     *arnPattern
	text    string // of booleans in lower case, of binaries the bytes
	number  float64
	time    time.Time
	prefix  netip.Prefix
}

// operator is how a condition compares. A negated operator is true when no
// operand matches, and when the request has no such key.
type operator struct {
	parse   func(s syntax, text string) (operand, error)
	match   func(r *Request, o *operand, v Value) bool
	negated bool
}

func (o operator) not() operator {
	o.negated = true
	return o
}

var (
	stringEquals = operator{parse: parseLiteral, match: matchText}
	ignoreCase   = operator{parse: parseLiteral, match: matchFolded}
	stringLike   = operator{parse: parseLike, match: matchPattern}
	numberEquals = operator{parse: parseNumberOperand, match: numbers(equal)}
	dateEquals   = operator{parse: parseTimeOperand, match: times(equal)}
	inNetwork    = operator{parse: parseNetwork, match: matchNetwork}
	arnLike      = operator{parse: parseARN, match: matchARN}
)

// operators are the condition operators by their names in lower case ("IAM
// JSON policy elements: Condition operators"). Null is beside them: it asks
// only whether the key is there.
var operators = map[string]operator{
	"stringequals":              stringEquals,
	"stringnotequals":           stringEquals.not(),
	"stringequalsignorecase":    ignoreCase,
	"stringnotequalsignorecase": ignoreCase.not(),
	"stringlike":                stringLike,
	"stringnotlike":             stringLike.not(),
	"numericequals":             numberEquals,
	"numericnotequals":          numberEquals.not(),
	"numericlessthan":           {parse: parseNumberOperand, match: numbers(less)},
	"numericlessthanequals":     {parse: parseNumberOperand, match: numbers(atMost)},
	"numericgreaterthan":        {parse: parseNumberOperand, match: numbers(greater)},
	"numericgreaterthanequals":  {parse: parseNumberOperand, match: numbers(atLeast)},
	"dateequals":                dateEquals,
	"datenotequals":             dateEquals.not(),
	"datelessthan":              {parse: parseTimeOperand, match: times(less)},
	"datelessthanequals":        {parse: parseTimeOperand, match: times(atMost)},
	"dategreaterthan":           {parse: parseTimeOperand, match: times(greater)},
	"dategreaterthanequals":     {parse: parseTimeOperand, match: times(atLeast)},
	"bool":                      {parse: parseBool, match: matchBool},
	"binaryequals":              {parse: parseBinary, match: matchBinary},
	"ipaddress":                 inNetwork,
	"notipaddress":              inNetwork.not(),
	"arnequals":                 arnLike, // the two behave the same
	"arnlike":                   arnLike,
	"arnnotequals":              arnLike.not(),
	"arnnotlike":                arnLike.not(),
	"null":                      {parse: parseBool},
}

func parseLiteral(s syntax, text string) (operand, error) {
	s.wildcards = false
	p, err := s.pattern(text)
	return operand{pattern: p}, err
}

func parseLike(s syntax, text string) (operand, error) {
	p, err := s.pattern(text)
	return operand{pattern: p}, err
}

func parseARN(s syntax, text string) (operand, error) {
	p, err := s.arn(text)
	return operand{arn: p}, err
}

func parseNumberOperand(_ syntax, text string) (operand, error) {
	n, ok := parseNumber(text)
	if !ok {
		return operand{}, wrong("%q is not a number", text)
	}
	return operand{number: n}, nil
}

func parseTimeOperand(_ syntax, text string) (operand, error) {
	t, ok := parseTime(text)
	if !ok {
		return operand{}, wrong("%q is neither an ISO 8601 date nor a Unix time", text)
	}
	return operand{time: t}, nil
}

func parseBool(_ syntax, text string) (operand, error) {
	lower := strings.ToLower(text)
	if lower != "true" && lower != "false" {
		return operand{}, wrong("%q is neither true nor false", text)
	}
	return operand{text: lower}, nil
}

func parseBinary(_ syntax, text string) (operand, error) {
	b, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return operand{}, wrong("%q is not base64", text)
	}
	return operand{text: string(b)}, nil
}

// parseNetwork reads an address or a CIDR range (RFC 4632, RFC 4291 section
// 2.3). Bits beyond the range's length are ignored.
func parseNetwork(_ syntax, text string) (operand, error) {
	address, length, ranged := strings.Cut(text, "/")
	addr, err := netip.ParseAddr(address)
	if err != nil || addr.Zone() != "" {
		return operand{}, wrong("%q is neither an IP address nor a CIDR range", text)
	}
	bits, spare := addr.BitLen(), addr.BitLen()-addr.Unmap().BitLen()
	if ranged {
		if bits, err = strconv.Atoi(length); err != nil || bits < spare || bits > addr.BitLen() || length[0] == '+' {
			return operand{}, wrong("%q is neither an IP address nor a CIDR range", text)
		}
	}
	return operand{prefix: netip.PrefixFrom(addr.Unmap(), bits-spare).Masked()}, nil
}

func matchText(r *Request, o *operand, v Value) bool {
	text, ok := o.pattern.text(r)
	return ok && text == v.String()
}

func matchFolded(r *Request, o *operand, v Value) bool {
	text, ok := o.pattern.text(r)
	return ok && strings.EqualFold(text, v.String())
}

func matchPattern(r *Request, o *operand, v Value) bool { return o.pattern.match(r, v.String()) }

func matchARN(r *Request, o *operand, v Value) bool { return o.arn.match(r, v.String()) }

func matchBool(_ *Request, o *operand, v Value) bool { return strings.EqualFold(o.text, v.String()) }

func matchBinary(_ *Request, o *operand, v Value) bool { return o.text == v.String() }

func matchNetwork(_ *Request, o *operand, v Value) bool {
	a, ok := v.asAddress()
	return ok && o.prefix.Contains(a)
}

// numbers returns a match by the sign of value - operand.
func numbers(holds func(sign int) bool) func(*Request, *operand, Value) bool {
	return func(_ *Request, o *operand, v Value) bool {
		n, ok := v.asNumber()
		return ok && holds(cmp.Compare(n, o.number))
	}
}

// times returns a match by whether the value is before, at or after the operand.
func times(holds func(sign int) bool) func(*Request, *operand, Value) bool {
	return func(_ *Request, o *operand, v Value) bool {
		t, ok := v.asTime()
		return ok && holds(t.Compare(o.time))
	}
}

func equal(sign int) bool   { return sign == 0 }
func less(sign int) bool    { return sign < 0 }
func atMost(sign int) bool  { return sign <= 0 }
func greater(sign int) bool { return sign > 0 }
func atLeast(sign int) bool { return sign >= 0 }
