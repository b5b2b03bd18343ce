package policy

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// The runes of a pattern that are no characters. Those below anyText stand
// for the pattern's variables.
const (
	anyRune rune = -1 // ?
	anyText rune = -2 // *
)

// variable is a ${…} of a pattern.
type variable struct {
	key          ConditionKey
	fallback     string
	withFallback bool
}

// pattern is a text with wildcards and variables.
type pattern struct {
	runes     []rune
	variables []variable
	// literal is set when the pattern is just a text, which exact is.
	literal bool
	exact   string
	// everything is set for "*".
	everything bool
}

// syntax says what has a meaning of its own in a text.
type syntax struct {
	wildcards  bool
	variables  bool
	vocabulary Vocabulary
}

// pattern compiles a text.
func (s syntax) pattern(text string) (pattern, error) {
	runes, variables, err := s.scan(text)
	if err != nil {
		return pattern{}, err
	}
	return newPattern(runes, variables), nil
}

func newPattern(runes []rune, variables []variable) pattern {
	if !slices.ContainsFunc(runes, func(r rune) bool { return r < 0 }) {
		return pattern{literal: true, exact: string(runes)}
	}
	return pattern{
		runes: runes, variables: variables,
		everything: !slices.ContainsFunc(runes, func(r rune) bool { return r != anyText }),
	}
}

// scan reads a text into runes and the variables that they refer to.
func (s syntax) scan(text string) (runes []rune, variables []variable, err error) {
	for text != "" {
		if s.variables && strings.HasPrefix(text, "${") {
			end := strings.IndexByte(text, '}')
			if end < 0 {
				return nil, nil, wrong("the variable in %q has no end", text)
			}
			r, v, err := s.variable(text[2:end])
			if err != nil {
				return nil, nil, err
			}
			if v != nil {
				variables = append(variables, *v)
				r = anyText - rune(len(variables)) //nolint:gosec // a document has at most MaxDocument bytes
			}
			runes, text = append(runes, r), text[end+1:]
			continue
		}
		r, size := utf8.DecodeRuneInString(text)
		text = text[size:]
		switch {
		case s.wildcards && r == '*':
			r = anyText
		case s.wildcards && r == '?':
			r = anyRune
		}
		runes = append(runes, r)
	}
	return runes, variables, nil
}

// variable reads what is between the braces: a key, a key with a default, or
// one of the three characters that are quoted so.
func (s syntax) variable(text string) (rune, *variable, error) {
	if text == "*" || text == "?" || text == "$" {
		return rune(text[0]), nil, nil
	}
	name, fallback, withFallback := strings.Cut(text, ",")
	if withFallback {
		quoted := strings.TrimSpace(fallback)
		fallback = strings.Trim(quoted, "'")
		if quoted != "'"+fallback+"'" {
			return 0, nil, wrong("the default in ${%s} must be in single quotes", text)
		}
	}
	key, err := s.vocabulary.ConditionKey(strings.TrimSpace(name))
	if err != nil {
		return 0, nil, wrong("${%s}: %s", text, err.Error())
	}
	if key.Multivalued {
		return 0, nil, wrong("${%s}: a key with several values is no variable", text)
	}
	return 0, &variable{key: key, fallback: fallback, withFallback: withFallback}, nil
}

// text returns what the variable stands for in a request.
func (v *variable) text(r *Request) (string, bool) {
	if v.key.Get != nil {
		if value, ok := v.key.Get(r, 0); ok {
			return value.String(), true
		}
	}
	return v.fallback, v.withFallback
}

// resolve returns the runes with the variables' values put in. It is false
// when a variable has no value: then the pattern matches nothing.
func (p *pattern) resolve(r *Request) ([]rune, bool) {
	if p.variables == nil {
		return p.runes, true
	}
	var out []rune
	for _, c := range p.runes {
		if c >= anyText {
			out = append(out, c)
			continue
		}
		text, ok := p.variables[anyText-c-1].text(r)
		if !ok {
			return nil, false
		}
		out = append(out, []rune(text)...)
	}
	return out, true
}

// text returns a pattern without wildcards as the text that it is.
func (p *pattern) text(r *Request) (string, bool) {
	if p.literal {
		return p.exact, true
	}
	runes, ok := p.resolve(r)
	return string(runes), ok
}

// match reports whether the pattern matches all of s. r is asked for
// variables only.
func (p *pattern) match(r *Request, s string) bool {
	switch {
	case p.literal:
		return p.exact == s
	case p.everything:
		return true
	}
	runes, ok := p.resolve(r)
	return ok && glob(runes, s)
}

// Wildcards is a text in which * stands for any text and ? for one character.
// Vocabularies match names with it.
type Wildcards struct{ p pattern }

// NewWildcards returns the pattern of a text.
func NewWildcards(text string) Wildcards {
	runes, _, _ := syntax{wildcards: true}.scan(text) // only variables can be malformed
	return Wildcards{newPattern(runes, nil)}
}

// Match reports whether the pattern matches all of s.
func (w Wildcards) Match(s string) bool { return w.p.match(nil, s) }

// glob matches without recursion: after a mismatch it lets the last * take
// one character more. A byte that is no UTF-8 is a character like no other.
func glob(runes []rune, s string) bool {
	at, star, resume := 0, -1, 0
	for i := 0; i < len(s); {
		c, size := utf8.DecodeRuneInString(s[i:])
		switch {
		case at < len(runes) && runes[at] == anyText:
			star, resume = at, i
			at++
		case at < len(runes) && (runes[at] == anyRune || runes[at] == c && (c != utf8.RuneError || size > 1)):
			at++
			i += size
		case star >= 0:
			_, size = utf8.DecodeRuneInString(s[resume:])
			resume += size
			at, i = star+1, resume
		default:
			return false
		}
	}
	for at < len(runes) && runes[at] == anyText {
		at++
	}
	return at == len(runes)
}

// arnPattern is a pattern for each part of an ARN, so that no wildcard and no
// variable's value reaches beyond its own part.
type arnPattern [6]pattern

// arn compiles a text of six parts with colons between them.
func (s syntax) arn(text string) (*arnPattern, error) {
	runes, variables, err := s.scan(text)
	if err != nil {
		return nil, err
	}
	var p arnPattern
	for i := range p {
		part := runes
		if i < len(p)-1 {
			end := slices.Index(runes, ':')
			if end < 0 {
				return nil, wrong("%q is not an ARN: it needs six parts with colons between them", text)
			}
			part, runes = runes[:end], runes[end+1:]
		}
		p[i] = newPattern(part, variables)
	}
	if p[0].exact != "arn" {
		return nil, wrong("%q is not an ARN: it must begin with %q", text, "arn:")
	}
	return &p, nil
}

func (p *arnPattern) match(r *Request, s string) bool {
	for i := range p {
		part := s
		if i < len(p)-1 {
			var more bool
			if part, s, more = strings.Cut(s, ":"); !more {
				return false
			}
		}
		if !p[i].match(r, part) {
			return false
		}
	}
	return true
}
