package profile

import (
	"regexp"
	"strings"
)

// pattern is a compiled pattern. A text matches as a whole or not at all. The
// matcher takes time in proportion to the text, whatever the pattern (RE2).
type pattern struct{ *regexp.Regexp }

// maxPattern is the longest pattern in bytes.
const maxPattern = 512

// glob compiles a pattern in which "**" stands for any text and "*" for any
// that has none of the bytes of stop; all else stands for itself.
func glob(text, stop string) (pattern, error) {
	if text == "" || len(text) > maxPattern {
		return pattern{}, unfit("a pattern has 1 to %d bytes", maxPattern)
	}
	star := `.*`
	if stop != "" {
		star = `[^` + regexp.QuoteMeta(stop) + `]*`
	}
	var b strings.Builder
	for i, part := range strings.Split(text, "**") {
		if i > 0 {
			b.WriteString(`.*`)
		}
		for j, piece := range strings.Split(part, "*") {
			if j > 0 {
				b.WriteString(star)
			}
			b.WriteString(regexp.QuoteMeta(piece))
		}
	}
	return expression(b.String())
}

// expression compiles a regular expression (RE2) that a whole text has to match.
func expression(text string) (pattern, error) {
	if len(text) > 8*maxPattern {
		return pattern{}, unfit("a regular expression has at most %d bytes", 8*maxPattern)
	}
	r, err := regexp.Compile(`\A(?s:` + text + `)\z`)
	if err != nil {
		return pattern{}, unfit("%q is no regular expression: %v", text, err)
	}
	return pattern{r}, nil
}

// globs compiles a list.
func globs(list []string, stop string) ([]pattern, error) {
	var out []pattern
	for _, text := range list {
		p, err := glob(text, stop)
		if err != nil {
			return nil, err
		}
		out = append(out, p)
	}
	return out, nil
}

// anyMatch reports whether a text matches one of the patterns.
func anyMatch(list []pattern, text string) bool {
	for _, p := range list {
		if p.MatchString(text) {
			return true
		}
	}
	return false
}

func (c *compiled) readCallers(p *Profile) (err error) {
	c.callers, err = globs(p.Callers, "")
	return err
}
