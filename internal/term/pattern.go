package term

import (
	"strings"

	"github.com/holdfast-kms/holdfast/internal/key"
)

// Pattern is a name that somebody searches for, in lower case: whole
// ("web.example.com"), everything below a domain (".example.com"; with the
// domain itself "**.example.com"), or with "*" for any characters.
type Pattern struct {
	text   string // as given, without the mark of a domain
	domain string // what everything must be below, "" for none
	itself bool   // and the domain itself
	// domains says that only DNS names can match.
	domains bool
}

// NewPattern reads a pattern.
func NewPattern(name string) Pattern {
	if plain := strings.ReplaceAll(name, "*", "a"); looksLikeDomain(plain) {
		name = strings.TrimSuffix(name, ".")
	}
	domain, itself := strings.CutPrefix(name, "**.")
	below := itself
	if !itself {
		domain, below = strings.CutPrefix(name, ".")
	}
	if below && !strings.Contains(domain, "*") && looksLikeDomain(domain) {
		return Pattern{domain: domain, itself: itself, domains: true}
	}
	p := Pattern{text: name}
	p.domains = strings.HasPrefix(name, "*") && p.labels() != ""
	return p
}

// labels returns the whole labels at the end of a pattern with "*" that is one
// of DNS names, "" for any other.
func (p Pattern) labels() string {
	if !looksLikeDomain(strings.ReplaceAll(p.text, "*", "a")) {
		return ""
	}
	_, labels, _ := strings.Cut(p.text[strings.LastIndexByte(p.text, '*')+1:], ".")
	return labels
}

// Matches reports whether a name is one of the pattern's.
func (p Pattern) Matches(name string) bool {
	name = strings.ToLower(name)
	switch domain := looksLikeDomain(name); {
	case domain:
		name = strings.TrimSuffix(name, ".")
	case p.domains:
		return false
	}
	if p.domain != "" {
		return p.itself && name == p.domain || strings.HasSuffix(name, "."+p.domain)
	}
	return glob(p.text, name)
}

// glob reports whether a text matches a pattern in which "*" stands for any
// characters. It takes the leftmost place for each part, which is right for
// all but the last, and so time that grows with the product of the lengths
// and not with a power.
func glob(pattern, text string) bool {
	parts := strings.Split(pattern, "*")
	if len(parts) == 1 {
		return pattern == text
	}
	text, ok := strings.CutPrefix(text, parts[0])
	if !ok {
		return false
	}
	for _, part := range parts[1 : len(parts)-1] {
		_, text, ok = strings.Cut(text, part)
		if !ok {
			return false
		}
	}
	return strings.HasSuffix(text, parts[len(parts)-1])
}

// Ranges returns the ranges of term ids in which all certificates with such a
// name are, and nil when the pattern says too little for that.
func (p Pattern) Ranges(realm key.RealmID) []Range {
	switch {
	case p.domain != "":
		value := reverse(Text(p.domain))
		list := []Range{PrefixRange(Prefix(realm, Domain) + value + ".")}
		if p.itself {
			list = append(list, PrefixRange(Prefix(realm, Domain)+value+"/"))
		}
		return list
	case !strings.Contains(p.text, "*"):
		kind, value := NameValue(p.text)
		return []Range{PrefixRange(Prefix(realm, kind) + value + "/")}
	}
	// Domains are found by their last whole labels, other names by their
	// beginning.
	labels := p.labels()
	if labels == "" && looksLikeDomain(strings.ReplaceAll(p.text, "*", "a")) {
		return nil
	}
	var list []Range
	if labels != "" {
		list = append(list, PrefixRange(Prefix(realm, Domain)+reverse(Text(labels))))
	}
	if start, _, _ := strings.Cut(p.text, "*"); start != "" {
		list = append(list, PrefixRange(Prefix(realm, Name)+Text(start)))
	}
	return list
}

// Range is a range of ids, its end not included.
type Range struct{ From, To string }

// PrefixRange is all ids that begin so.
func PrefixRange(prefix string) Range {
	return Range{prefix, prefix + "\U0010ffff"} // no character sorts behind it
}
