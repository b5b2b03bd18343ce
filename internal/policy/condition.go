package policy

import "strings"

// quantifier says how the several values of a key in one request count.
type quantifier uint8

const (
	// oneValue is a condition without a prefix. Where the key has several
	// values after all, they are tried like the operands: one that matches is
	// enough, and a negated operator wants none.
	oneValue  quantifier = iota
	anyValue             // ForAnyValue: at least one value holds
	allValues            // ForAllValues: every value holds, or there is none
)

// condition is one key of one operator.
type condition struct {
	key        ConditionKey
	operator   operator
	quantifier quantifier
	ifExists   bool
	// null is the Null operator: it holds if the key is missing and an operand
	// is true, or there and an operand is false.
	null     bool
	operands []operand
}

// operatorName takes an operator's name apart: prefix, name, suffix. IAM is
// not particular about its case.
func operatorName(name string) (condition, error) {
	var c condition
	rest := strings.ToLower(name)
	if set, plain, ok := strings.Cut(rest, ":"); ok {
		switch set {
		case "foranyvalue":
			c.quantifier = anyValue
		case "forallvalues":
			c.quantifier = allValues
		default:
			return c, wrong("is not a condition operator")
		}
		rest = plain
	}
	rest, c.ifExists = strings.CutSuffix(rest, "ifexists")
	var known bool
	c.operator, known = operators[rest]
	c.null = rest == "null"
	if !known || c.null && c.ifExists {
		return c, wrong("is not a condition operator")
	}
	return c, nil
}

// conditions compiles a Condition element.
func (c *compiler) conditions(n *node) ([]condition, error) {
	if n.kind != objectNode {
		return nil, wrong("must be an object, not %s", nodeNames[n.kind])
	}
	var list []condition
	for _, m := range n.members {
		template, err := operatorName(m.name)
		if err == nil && m.value.kind != objectNode {
			err = wrong("must be an object, not %s", nodeNames[m.value.kind])
		}
		if err != nil {
			return nil, within(m.name, err)
		}
		for _, k := range m.value.members {
			one, err := c.condition(template, k)
			if err != nil {
				return nil, within(m.name, within(k.name, err))
			}
			list = append(list, one)
		}
	}
	return list, nil
}

// condition completes a template of an operator with a key and its operands.
func (c *compiler) condition(template condition, m member) (condition, error) {
	one := template
	var err error
	if one.key, err = c.vocabulary.ConditionKey(m.name); err != nil {
		return one, err
	}
	err = m.value.each(func(n *node) error {
		switch n.kind {
		case textNode, numberNode, boolNode:
		case objectNode, listNode, nullNode:
			return wrong("must be a string, a number or a boolean, not %s", nodeNames[n.kind])
		}
		o, err := one.operator.parse(c.syntax(), n.text)
		one.operands = append(one.operands, o)
		return err
	})
	return one, err
}

// holds reports whether the request meets the condition.
func (c *condition) holds(r *Request) bool {
	var first Value
	present := false
	if c.key.Get != nil {
		first, present = c.key.Get(r, 0)
	}
	switch {
	case c.null:
		return c.isNull(!present)
	case !present:
		return c.withoutKey()
	}
	// One value that matches decides for anyValue and oneValue, one that does
	// not for allValues. A negated oneValue asks whether any matches at all.
	decisive := c.quantifier != allValues
	negated := c.operator.negated && c.quantifier != oneValue
	outcome := !decisive
	for i, v, ok := 0, first, true; ok; v, ok = c.key.Get(r, i) {
		if (c.matches(r, v) != negated) == decisive {
			outcome = decisive
			break
		}
		i++
	}
	if c.quantifier == oneValue {
		return outcome != c.operator.negated
	}
	return outcome
}

// isNull is the Null operator's answer.
func (c *condition) isNull(missing bool) bool {
	for i := range c.operands {
		if (c.operands[i].text == "true") == missing {
			return true
		}
	}
	return false
}

// withoutKey is the answer for a request that does not have the key.
func (c *condition) withoutKey() bool {
	switch {
	case c.ifExists || c.quantifier == allValues:
		return true
	case c.quantifier == anyValue:
		return false
	}
	return c.operator.negated
}

// matches reports whether one of the operands matches the value.
func (c *condition) matches(r *Request, v Value) bool {
	for i := range c.operands {
		if c.operator.match(r, &c.operands[i], v) {
			return true
		}
	}
	return false
}
