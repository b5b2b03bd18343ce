package profile

import (
	"errors"
	"maps"
	"slices"
	"unicode/utf8"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/name"
)

// SubjectRules say what a profile's subjects are like.
type SubjectRules struct {
	// Attributes are the attributes that a subject may have, by X.520's word
	// for them (name.AttributeName) or by their object identifier in text. Nil
	// allows all those of X.520 that a Subject has a field for.
	Attributes map[string]AttributeRule
	// Others allows attributes beside them.
	Others bool
	// Repeated allows several organizational units. Domain components and
	// streets may repeat wherever they may occur, others never.
	Repeated bool
	// FreeName lets a common name look like a host, an address, a mailbox or a
	// URI that is not among the names, also where a name is required.
	FreeName bool
}

// AttributeRule is what a subject's attribute is like.
type AttributeRule struct {
	Required bool
	// Fixed is the value that every subject gets, whatever a request says.
	Fixed string
	// Default is the value of subjects that come without one.
	Default string
	// Values are those that it may have; Pattern is a regular expression (RE2)
	// that the whole value has to match. Empty ones allow any.
	Values  []string
	Pattern string
}

// attributeRule is a compiled AttributeRule.
type attributeRule struct {
	AttributeRule
	attribute Attribute // without a value
	pattern   *pattern
}

// readSubject compiles the rules for subjects. Their keys become the
// attributes' words.
func (c *compiled) readSubject(p *Profile) error {
	if p.Subject.Attributes == nil {
		return nil
	}
	c.subject = map[string]*attributeRule{}
	for word, rule := range p.Subject.Attributes {
		oid, _, ok := name.ParseAttribute(word)
		if !ok {
			return unfit("%q is no attribute of a subject: write X.520's word or an object identifier", word)
		}
		r := &attributeRule{AttributeRule: rule, attribute: Attribute{OID: oid}}
		if rule.Pattern != "" {
			re, err := expression(rule.Pattern)
			if err != nil {
				return err
			}
			r.pattern = &re
		}
		word = name.AttributeName(oid)
		if _, twice := c.subject[word]; twice {
			return unfit("the rules of a subject have the attribute %s twice", word)
		}
		if err := r.check(word); err != nil {
			return err
		}
		c.subject[word] = r
	}
	return nil
}

func (r *attributeRule) check(word string) error {
	for _, value := range []string{r.Fixed, r.Default} {
		if value == "" {
			continue
		}
		var s Subject
		s.Set(r.attribute.OID, value)
		if err := s.Check(); err != nil {
			return unfit("the value %q of %s: %s", value, word, publicText(err))
		}
		if err := r.judge(word, value); err != nil {
			return unfit("%s", publicText(err))
		}
	}
	if r.Fixed != "" && r.Default != "" {
		return unfit("the attribute %s has a fixed value and a default one", word)
	}
	return nil
}

// judge refuses a value that the rule does not allow.
func (r *attributeRule) judge(word, value string) error {
	if len(r.Values) > 0 && !slices.Contains(r.Values, value) {
		return violation("the subject's %s is not one of those that the profile allows", word)
	}
	if r.pattern != nil && (!utf8.ValidString(value) || !r.pattern.MatchString(value)) {
		return violation("the subject's %s does not match %q, which the profile wants", word, r.Pattern)
	}
	return nil
}

// settleSubject returns the subject of a request: the caller's, else the
// CSR's, with what the profile gives it. raw is the CSR's own encoding where
// the subject is the CSR's unchanged.
func (p *Profile) settleSubject(in *Input) (s Subject, raw []byte, err error) {
	switch {
	case !in.Subject.IsZero():
		s = in.Subject
	case in.Request != nil && !p.Sources.NoCSR:
		s, raw = in.Request.Subject, in.Request.rawSubject
	}
	if p.compiled.subject != nil {
		for _, word := range slices.Sorted(maps.Keys(p.compiled.subject)) {
			r := p.compiled.subject[word]
			value := r.Fixed
			if value == "" && r.Default != "" && !has(&s, r.attribute) {
				value = r.Default
			}
			if value != "" {
				s.Set(r.attribute.OID, value)
				raw = nil
			}
		}
	}
	if err := s.Check(); err != nil {
		return s, nil, blame(err, in.Subject.IsZero() && in.Request != nil)
	}
	return s, raw, p.checkSubject(&s)
}

// blame gives an error the reason MalformedCSR if what it is about came from a
// request.
func blame(err error, csr bool) error {
	if e, ok := errors.AsType[*fault.Error](err); ok && csr && e.Reason == fault.Unspecified {
		out := *e
		out.Reason = fault.MalformedCSR
		return &out
	}
	return err
}

func has(s *Subject, a Attribute) bool {
	return slices.ContainsFunc(s.Attributes(), func(b Attribute) bool { return b.OID.Equal(a.OID) })
}

// checkSubject refuses a subject that the profile does not have.
func (p *Profile) checkSubject(s *Subject) error {
	list, rules := s.Attributes(), p.compiled.subject
	seen := make([]string, 0, len(list))
	for _, a := range list {
		word := name.AttributeName(a.OID)
		if word == "organizationalUnit" && !p.Subject.Repeated && slices.Contains(seen, word) {
			return violation("the subject has more than one %s", word)
		}
		seen = append(seen, word)
		rule, ok := rules[word]
		switch {
		case ok:
			if err := rule.judge(word, a.Value); err != nil {
				return err
			}
		case rules == nil && name.Standard(a.OID), p.Subject.Others:
		default:
			return violation("the subject has the attribute %s, which profile %s does not allow", word, p.Name)
		}
	}
	for word, rule := range rules {
		if rule.Required && !slices.Contains(seen, word) {
			return violation("the subject has no %s, which profile %s wants", word, p.Name)
		}
	}
	return nil
}

// checkCommonName refuses a subject in which a name stands that is none of the
// certificate's: a common name that a program could take for a host, an
// address, a mailbox or a workload, or an e-mail address.
func (p *Profile) checkCommonName(s *Subject, n *Names) error {
	if address := valueOf(s, name.EmailAddress); address != "" && !n.Covers(address) && !p.Subject.FreeName {
		return violation("the subject's e-mail address is not among the names")
	}
	if !p.NameRequired || p.Subject.FreeName || s.CommonName == "" {
		return nil
	}
	_, _, host := name.Host(s.CommonName)
	_, mailbox := name.Mailbox(s.CommonName)
	_, _, workload := name.SPIFFE(s.CommonName)
	if (host || mailbox || workload) && !n.Covers(s.CommonName) {
		return violation("the common name %q looks like a host or a mailbox and is not among the names", s.CommonName)
	}
	return nil
}

// valueOf returns a subject's value of an attribute, by the attribute's word.
func valueOf(s *Subject, word string) string {
	for _, a := range s.Custom {
		if name.AttributeName(a.OID) == word {
			return a.Value
		}
	}
	return ""
}
