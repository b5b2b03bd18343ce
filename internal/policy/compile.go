package policy

import (
	"strings"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/key"
)

// withVariables is the version of the language that has policy variables; in
// the older one, which is also that of a document without a version, ${…} is
// a text like any other.
const (
	withVariables    = "2012-10-17"
	withoutVariables = "2008-10-17"
)

// Compile reads a document ("Grammar of the IAM JSON policy language", IAM
// User Guide). What it refuses it refuses with fault.MalformedPolicy, and the
// Public text says what is wrong and where, counting statements from 0:
// `Statement[1].Action: "encrypt" has no service before a colon`.
func Compile(doc []byte, kind Kind, v Vocabulary) (*Policy, error) {
	root, err := parse(doc)
	if err != nil {
		return nil, fault.Because(fault.InvalidArgument, fault.MalformedPolicy, "%s", err.Error())
	}
	c := compiler{kind: kind, vocabulary: v, sids: map[string]bool{}}
	p, err := c.policy(root)
	if err != nil {
		return nil, fault.Because(fault.InvalidArgument, fault.MalformedPolicy, "%s", err.Error())
	}
	return p.Named(""), nil
}

// compiler is the state of one compilation.
type compiler struct {
	kind       Kind
	vocabulary Vocabulary
	variables  bool
	sids       map[string]bool
}

// syntax is that of a text with wildcards.
func (c *compiler) syntax() syntax {
	return syntax{wildcards: true, variables: c.variables, vocabulary: c.vocabulary}
}

func (c *compiler) policy(root *node) (*Policy, error) {
	elements, err := members(root, "Version", "Id", "Statement")
	if err != nil {
		return nil, err
	}
	if n := elements["Version"]; n != nil {
		version, err := n.string()
		if err == nil && version != withVariables && version != withoutVariables {
			err = wrong("%q is neither %s nor %s", version, withVariables, withoutVariables)
		}
		if err != nil {
			return nil, within("Version", err)
		}
		c.variables = version == withVariables
	}
	if n := elements["Id"]; n != nil {
		if _, err := n.string(); err != nil {
			return nil, within("Id", err)
		}
	}
	if elements["Statement"] == nil {
		return nil, wrong("Statement is missing")
	}
	p := &Policy{kind: c.kind, vocabulary: c.vocabulary}
	err = elements["Statement"].each(func(n *node) error {
		s, err := c.statement(n)
		p.statements = append(p.statements, s)
		return err
	})
	if err != nil {
		return nil, within("Statement", err)
	}
	return p, nil
}

// members returns an object's members by name and refuses all but the allowed.
func members(n *node, allowed ...string) (map[string]*node, error) {
	if n.kind != objectNode {
		return nil, wrong("must be an object, not %s", nodeNames[n.kind])
	}
	found := map[string]*node{}
	for _, name := range allowed {
		found[name] = nil
	}
	for _, m := range n.members {
		if _, ok := found[m.name]; !ok {
			return nil, within(m.name, wrong("is not an element of a policy; known here are %s", strings.Join(allowed, ", ")))
		}
		found[m.name] = m.value
	}
	return found, nil
}

func (c *compiler) statement(n *node) (statement, error) {
	var s statement
	elements, err := members(n, "Sid", "Effect", "Principal", "NotPrincipal", "Action", "NotAction",
		"Resource", "NotResource", "Condition")
	if err != nil {
		return s, err
	}
	if s.sid, err = c.sid(elements["Sid"]); err != nil {
		return s, within("Sid", err)
	}
	if s.deny, err = effect(elements["Effect"]); err != nil {
		return s, err
	}
	if s.principals, err = c.principals(elements, s.deny); err != nil {
		return s, err
	}
	if s.actions, err = c.actions(elements); err != nil {
		return s, err
	}
	if s.resources, err = c.resources(elements); err != nil {
		return s, err
	}
	if condition := elements["Condition"]; condition != nil {
		if s.conditions, err = c.conditions(condition); err != nil {
			return s, within("Condition", err)
		}
	}
	return s, nil
}

// sid reads a statement's name. IAM's own policies take letters and digits
// only, key policies take any text.
func (c *compiler) sid(n *node) (string, error) {
	if n == nil {
		return "", nil
	}
	sid, err := n.string()
	if err != nil || sid == "" {
		return "", err
	}
	if c.kind == ForIdentity && strings.ContainsFunc(sid, func(r rune) bool { return !alphanumeric(r) }) {
		return "", wrong("%q has more than letters and digits", sid)
	}
	if c.sids[sid] {
		return "", wrong("%q is used by another statement", sid)
	}
	c.sids[sid] = true
	return sid, nil
}

func alphanumeric(r rune) bool {
	return '0' <= r && r <= '9' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z'
}

func effect(n *node) (deny bool, err error) {
	if n == nil {
		return false, wrong("Effect is missing")
	}
	text, err := n.string()
	if err == nil && text != "Allow" && text != "Deny" {
		err = wrong("%q is neither Allow nor Deny", text)
	}
	if err != nil {
		return false, within("Effect", err)
	}
	return text == "Deny", nil
}

// either returns the one of an element and its negation that is there.
func either(elements map[string]*node, name string) (n *node, not bool, label string, err error) {
	positive, negative := elements[name], elements["Not"+name]
	switch {
	case positive != nil && negative != nil:
		return nil, false, "", wrong("has both %s and Not%s", name, name)
	case positive != nil:
		return positive, false, name, nil
	case negative != nil:
		return negative, true, "Not" + name, nil
	}
	return nil, false, "", wrong("%s is missing", name)
}

func (c *compiler) actions(elements map[string]*node) (key.ActionSet, error) {
	var set key.ActionSet
	n, not, label, err := either(elements, "Action")
	if err != nil {
		return set, err
	}
	err = n.each(func(n *node) error {
		text, err := n.string()
		if err != nil {
			return err
		}
		some, err := c.vocabulary.Actions(text)
		for i := range set {
			set[i] |= some[i]
		}
		return err
	})
	if err != nil {
		return set, within(label, err)
	}
	if not {
		set = set.Complement()
	}
	return set, nil
}

func (c *compiler) resources(elements map[string]*node) (resources, error) {
	if c.kind == ForTrust {
		if elements["Resource"] != nil || elements["NotResource"] != nil {
			return resources{}, wrong("a trust policy speaks of its role: it has no Resource")
		}
		return resources{not: true}, nil // all but nothing
	}
	n, not, label, err := either(elements, "Resource")
	if err != nil {
		return resources{}, err
	}
	list := resources{not: not}
	err = n.each(func(n *node) error {
		text, err := n.string()
		if err != nil {
			return err
		}
		if err := c.vocabulary.CheckResource(text); err != nil {
			return err
		}
		p, err := c.syntax().pattern(text)
		list.patterns = append(list.patterns, p)
		return err
	})
	if err != nil {
		return list, within(label, err)
	}
	return list, nil
}

func (c *compiler) principals(elements map[string]*node, deny bool) (principals, error) {
	n, not, label, err := either(elements, "Principal")
	if c.kind == ForIdentity {
		if elements["Principal"] != nil || elements["NotPrincipal"] != nil {
			return principals{}, wrong("a policy of an identity speaks of its owner: it has no Principal")
		}
		return principals{}, nil
	}
	if err != nil {
		return principals{}, err
	}
	if not && !deny {
		// AWS ended its support: it lets in everybody else in the world.
		return principals{}, within(label, wrong("goes with Deny only"))
	}
	list := principals{not: not}
	if list.list, err = c.principalList(n); err != nil {
		return list, within(label, err)
	}
	return list, nil
}

func (c *compiler) principalList(n *node) ([]Principal, error) {
	if n.kind == textNode {
		if n.text != "*" {
			return nil, wrong("%q must be \"*\" or an object such as {\"AWS\": …}", n.text)
		}
		return []Principal{{Everyone: true}}, nil
	}
	if n.kind != objectNode {
		return nil, wrong("must be \"*\" or an object, not %s", nodeNames[n.kind])
	}
	if len(n.members) == 0 {
		return nil, wrong("is empty")
	}
	var list []Principal
	for _, m := range n.members {
		err := m.value.each(func(n *node) error {
			name, err := n.string()
			if err != nil {
				return err
			}
			p, err := c.vocabulary.Principal(m.name, name)
			list = append(list, p)
			return err
		})
		if err != nil {
			return nil, within(m.name, err)
		}
	}
	return list, nil
}
