package aws

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/holdfast-kms/holdfast/internal/key"
	wire "github.com/holdfast-kms/holdfast/internal/wire/aws"
)

// check validates the request against its declaration. All that is wrong is
// in one ValidationException, as AWS has it.
func (m *Members) check() error {
	var v violations
	for i := range m.list[:m.n] {
		m.list[i].check(&v)
	}
	switch {
	case len(v) == 1:
		return Validation("1 validation error detected: " + v[0])
	case len(v) > 1:
		return Validation(strconv.Itoa(len(v)) + " validation errors detected: " + strings.Join(v, "; "))
	}
	for i := range m.list[:m.n] {
		if m.list[i].form == ignored && m.list[i].present {
			return wire.Unsupported("Holdfast does not support the parameter " + m.list[i].name + ".")
		}
	}
	return nil
}

// Validation returns a ValidationException.
func Validation(message string) error { return wire.Invalid("ValidationException", message) }

// violations are the complaints about a request, in AWS's words.
type violations []string

// maxViolations bounds the complaints about one request: a body of nothing
// but empty tags would have an answer of megabytes.
const maxViolations = 100

func (v *violations) add(shown, path, constraint string) {
	if len(*v) == maxViolations {
		return
	}
	*v = append(*v, "Value "+shown+"at '"+path+"' failed to satisfy constraint: Member must "+constraint)
}

// length complains about a number of characters, bytes or elements.
func (v *violations) length(shown, path string, n, minimum, maximum int) {
	if n < minimum {
		v.add(shown, path, "have length greater than or equal to "+strconv.Itoa(minimum))
	}
	if maximum > 0 && n > maximum {
		v.add(shown, path, "have length less than or equal to "+strconv.Itoa(maximum))
	}
}

// maxShown bounds what of a bad value its complaint repeats.
const maxShown = 2048

func quote(s string) string {
	if len(s) > maxShown {
		s = strings.ToValidUTF8(s[:maxShown], "") + "..."
	}
	return "'" + s + "' "
}

// path is the member's name as complaints have it: KeyId is keyId.
func (m *Member) path() string { return strings.ToLower(m.name[:1]) + m.name[1:] }

func (m *Member) check(v *violations) {
	if !m.present {
		if m.required {
			v.add("null ", m.path(), "not be null")
		}
		return
	}
	switch to := m.target.(type) {
	case *string:
		m.checkText(v, *to)
	case *[]byte:
		v.length("", m.path(), len(*to), m.min, m.max) // bytes may be secret
	case *int:
		shown := quote(strconv.Itoa(*to))
		if *to < m.min {
			v.add(shown, m.path(), "have value greater than or equal to "+strconv.Itoa(m.min))
		}
		if *to > m.max {
			v.add(shown, m.path(), "have value less than or equal to "+strconv.Itoa(m.max))
		}
	case *stringList:
		m.checkList(v, to)
	case *[]key.Tag:
		if m.form == tagList {
			m.checkTags(v, *to)
		}
	}
}

func (m *Member) checkText(v *violations, text string) {
	if m.enum != nil {
		if m.unlisted {
			v.add(quote(text), m.path(), "satisfy enum value set: ["+strings.Join(m.enum, ", ")+"]")
		}
		return
	}
	n, matches := utf8.RuneCountInString(text), m.pattern == nil || m.pattern.Matches(text)
	if n >= m.min && n <= m.max && matches {
		return
	}
	v.length(quote(text), m.path(), n, m.min, m.max)
	if !matches {
		v.add(quote(text), m.path(), "satisfy regular expression pattern: "+m.pattern.Text)
	}
}

func (m *Member) checkList(v *violations, list *stringList) {
	shown := quote("[" + strings.Join(*list.to, ", ") + "]")
	v.length(shown, m.path(), len(*list.to), 0, list.count)
	if slices.ContainsFunc(*list.to, func(s string) bool {
		n := utf8.RuneCountInString(s)
		return n < m.min || n > m.max
	}) {
		v.add(shown, m.path(), fmt.Sprintf("satisfy constraint: [Member must have length less than or equal to %d, "+
			"Member must have length greater than or equal to %d]", m.max, m.min))
	}
}

// The lengths of a tag's parts, in characters.
const (
	maxTagKey   = 128
	maxTagValue = 256
)

func (m *Member) checkTags(v *violations, tags []key.Tag) {
	for i, t := range tags {
		path := m.path() + "." + strconv.Itoa(i+1) + ".member."
		checkPart(v, path+"tagKey", t.Key, 1, maxTagKey)
		checkPart(v, path+"tagValue", t.Value, 0, maxTagValue)
	}
}

func checkPart(v *violations, path, text string, minimum, maximum int) {
	if text == absent {
		v.add("null ", path, "not be null")
		return
	}
	v.length(quote(text), path, utf8.RuneCountInString(text), minimum, maximum)
}
