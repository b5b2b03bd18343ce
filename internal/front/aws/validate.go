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
	m.checkAt(&v, "")
	if err := v.err("ValidationException"); err != nil {
		return err
	}
	if v.unsupported != "" {
		return wire.Unsupported("Holdfast does not support the parameter " + v.unsupported + ".")
	}
	return nil
}

// err returns all complaints as the exception of a code, nil for none.
func (v *violations) err(code string) error {
	switch len(v.texts) {
	case 0:
		return nil
	case 1:
		return wire.Invalid(code, "1 validation error detected: "+v.texts[0])
	default:
		return wire.Invalid(code, strconv.Itoa(len(v.texts))+" validation errors detected: "+strings.Join(v.texts, "; "))
	}
}

// checkAt validates the members of a structure. Path is where it is: empty
// for the request itself, else with a dot at its end.
func (m *Members) checkAt(v *violations, path string) {
	for i := range m.list {
		m.list[i].check(v, path)
	}
}

// Validation returns a ValidationException.
func Validation(message string) error { return wire.Invalid("ValidationException", message) }

// violations are the complaints about a request, in AWS's words, and the
// first of its members that Holdfast does not support.
type violations struct {
	texts       []string
	unsupported string
}

// maxViolations bounds the complaints about one request: a body of nothing
// but empty tags would have an answer of megabytes.
const maxViolations = 100

func (v *violations) add(shown, path, constraint string) {
	if len(v.texts) == maxViolations {
		return
	}
	v.texts = append(v.texts, "Value "+shown+"at '"+path+"' failed to satisfy constraint: Member must "+constraint)
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

// path is where the member is, as complaints have it: KeyId is keyId.
func (m *Member) path(at string) string { return at + strings.ToLower(m.name[:1]) + m.name[1:] }

// check validates a member of the structure at a path.
func (m *Member) check(v *violations, at string) {
	if !m.present {
		if m.required {
			v.add("null ", m.path(at), "not be null")
		}
		return
	}
	if m.form == ignored && v.unsupported == "" {
		v.unsupported = at + m.name
	}
	switch to := m.target.(type) {
	case *string:
		m.checkText(v, at, *to)
	case *[]byte:
		m.checkBytes(v, at, len(*to))
	case *int:
		m.checkNumber(v, at, int64(*to))
	case *int64:
		m.checkNumber(v, at, *to)
	case *stringList:
		m.checkList(v, at, to)
	case nested:
		to.check(v, m, m.path(at))
	case *[]key.Tag:
		if m.form == tagList {
			m.checkTags(v, at, *to)
		}
	}
}

// checkBytes complains about a blob without showing it: it may be secret.
func (m *Member) checkBytes(v *violations, at string, n int) {
	if n < m.min || m.max > 0 && n > m.max {
		v.length("", m.path(at), n, m.min, m.max)
	}
}

func (m *Member) checkNumber(v *violations, at string, n int64) {
	if n < int64(m.min) {
		v.add(quote(strconv.FormatInt(n, 10)), m.path(at), "have value greater than or equal to "+strconv.Itoa(m.min))
	}
	if m.max > 0 && n > int64(m.max) {
		v.add(quote(strconv.FormatInt(n, 10)), m.path(at), "have value less than or equal to "+strconv.Itoa(m.max))
	}
}

func (m *Member) checkText(v *violations, at, text string) {
	if m.enum != nil {
		if m.unlisted {
			v.add(quote(text), m.path(at), "satisfy enum value set: ["+strings.Join(m.enum, ", ")+"]")
		}
		return
	}
	n, matches := utf8.RuneCountInString(text), m.pattern == nil || m.pattern.Matches(text)
	if n >= m.min && n <= m.max && matches {
		return
	}
	v.length(quote(text), m.path(at), n, m.min, m.max)
	if !matches {
		v.add(quote(text), m.path(at), "satisfy regular expression pattern: "+m.pattern.Text)
	}
}

func (m *Member) checkList(v *violations, at string, list *stringList) {
	shown := quote("[" + strings.Join(*list.to, ", ") + "]")
	v.length(shown, m.path(at), len(*list.to), m.least, list.count)
	switch {
	case m.enum != nil:
		if slices.ContainsFunc(*list.to, func(s string) bool { return !slices.Contains(m.enum, s) }) {
			v.add(shown, m.path(at), "satisfy constraint: [Member must satisfy enum value set: ["+strings.Join(m.enum, ", ")+"]]")
		}
	case slices.ContainsFunc(*list.to, func(s string) bool {
		n := utf8.RuneCountInString(s)
		return n < m.min || n > m.max
	}):
		v.add(shown, m.path(at), fmt.Sprintf("satisfy constraint: [Member must have length less than or equal to %d, "+
			"Member must have length greater than or equal to %d]", m.max, m.min))
	case m.pattern != nil && slices.ContainsFunc(*list.to, func(s string) bool { return !m.pattern.Matches(s) }):
		v.add(shown, m.path(at), "satisfy constraint: [Member must satisfy regular expression pattern: "+m.pattern.Text+"]")
	}
}

// The lengths of a tag's parts, in characters.
const (
	maxTagKey   = 128
	maxTagValue = 256
)

func (m *Member) checkTags(v *violations, at string, tags []key.Tag) {
	for i, t := range tags {
		path := m.path(at) + "." + strconv.Itoa(i+1) + ".member."
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
