package profile

import (
	"context"
	"fmt"
	"strings"
	"time"

	"cel.dev/cel-go/cel"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/name"
)

// Rule is an expression in CEL (cel.dev) that has to be true of a request,
// and what to tell a caller of whose request it is not.
type Rule struct{ Expression, Message string }

// Limits of expressions. Those on evaluation keep a request's rules from
// holding up the server, whoever wrote them: whichever is reached refuses the
// request.
const (
	maxRules      = 32
	maxExpression = 4096 // bytes
	maxMessage    = 256  // characters
	maxDepth      = 64   // of an expression's nesting
	costLimit     = 100_000
	evaluation    = time.Second // for all rules of a request, should the cost be misjudged
)

// rule is a compiled Rule.
type rule struct {
	Rule
	program cel.Program
}

// readRules compiles the expressions. One that is no expression, or whose
// result is no truth value, makes the profile unfit.
func (c *compiled) readRules(p *Profile) error {
	if len(p.Rules) == 0 {
		return nil
	}
	if len(p.Rules) > maxRules {
		return unfit("a profile has at most %d rules", maxRules)
	}
	env, err := environment()
	if err != nil {
		return fmt.Errorf("making the environment of expressions: %w", err)
	}
	for _, r := range p.Rules {
		if len(r.Expression) > maxExpression || !name.Printable(r.Message, maxMessage) {
			return unfit("an expression has at most %d bytes, its message %d printable characters", maxExpression, maxMessage)
		}
		tree, issues := env.Compile(r.Expression)
		if err := issues.Err(); err != nil {
			return unfit("the rule %q: %s", r.Expression, oneLine(err.Error()))
		}
		if !tree.OutputType().IsExactType(cel.BoolType) {
			return unfit("the rule %q is %s, not bool", r.Expression, tree.OutputType())
		}
		program, err := env.Program(tree, cel.CostLimit(costLimit), cel.InterruptCheckFrequency(64))
		if err != nil {
			return unfit("the rule %q: %s", r.Expression, oneLine(err.Error()))
		}
		c.rules = append(c.rules, rule{r, program})
	}
	return nil
}

// oneLine keeps the first line of what the compiler says.
func oneLine(text string) string {
	first, _, _ := strings.Cut(text, "\n")
	return first
}

// environment returns what expressions know: the variables of view.ResolveName
// and the standard functions, of which none reads anything but its arguments.
func environment() (*cel.Env, error) {
	list, table := cel.ListType(cel.StringType), cel.MapType(cel.StringType, cel.StringType)
	return cel.NewEnv(
		cel.Variable("request.subject", table), cel.Variable("request.dns", list), cel.Variable("request.ips", list),
		cel.Variable("request.uris", list), cel.Variable("request.emails", list), cel.Variable("request.upns", list),
		cel.Variable("request.key.type", cel.StringType), cel.Variable("request.key.bits", cel.IntType),
		cel.Variable("request.validity", cel.IntType), cel.Variable("request.profile", cel.StringType),
		cel.Variable("caller.realm", cel.StringType), cel.Variable("caller.kind", cel.StringType),
		cel.Variable("caller.name", cel.StringType), cel.Variable("caller.tags", table),
		cel.Variable("now", cel.TimestampType),
		cel.ParserExpressionSizeLimit(maxExpression), cel.ParserRecursionLimit(maxDepth), cel.DefaultUTCTimeZone(true),
	)
}

// evaluate refuses (ProfileViolation) a request of which a rule is not true,
// or cannot be told. A caller who does not wait for it is Unavailable.
func (p *Profile) evaluate(ctx context.Context, v *view) error {
	if len(p.compiled.rules) == 0 {
		return nil
	}
	limited, cancel := context.WithTimeout(ctx, evaluation)
	defer cancel()
	for _, r := range p.compiled.rules {
		result, _, err := r.program.ContextEval(limited, v)
		switch {
		case ctx.Err() != nil:
			return &fault.Error{Kind: fault.Unavailable, Op: "profile.evaluate", Public: "the request was given up", Err: ctx.Err()}
		case limited.Err() != nil:
			return violation("the rule %q of profile %s took too long", r.Expression, p.Name)
		case err != nil:
			e := fault.Because(fault.InvalidArgument, fault.ProfileViolation,
				"the rule %q of profile %s cannot be told of this request: %s", r.Expression, p.Name, oneLine(err.Error()))
			e.Err = err
			return e
		}
		if holds, ok := result.Value().(bool); !ok || !holds {
			if r.Message != "" {
				return violation("profile %s: %s", p.Name, r.Message)
			}
			return violation("profile %s: the rule %q is not true of the request", p.Name, r.Expression)
		}
	}
	return nil
}

// view shows a request to expressions. It is a cel.Activation.
type view struct {
	profile *Profile
	in      *Input
	draft   *Draft
	family  keyFamily
	bits    int
}

// Parent returns nil: there are no variables beside these.
func (v *view) Parent() cel.Activation { return nil }

// ResolveName returns the value of a variable.
func (v *view) ResolveName(variable string) (any, bool) {
	if field, ok := strings.CutPrefix(variable, "request."); ok {
		return v.request(field)
	}
	if field, ok := strings.CutPrefix(variable, "caller."); ok {
		return v.caller(field)
	}
	return v.in.Now, variable == "now"
}

func (v *view) request(field string) (any, bool) {
	switch field {
	case "subject":
		return subjectMap(&v.draft.Subject), true
	case "dns":
		return texts(v.draft.Names.DNS), true
	case "ips":
		list := make([]string, 0, len(v.draft.Names.IPs))
		for _, ip := range v.draft.Names.IPs {
			list = append(list, ip.String())
		}
		return list, true
	case "uris":
		return texts(v.draft.Names.URIs), true
	case "emails":
		return texts(v.draft.Names.Emails), true
	case "upns":
		return texts(v.draft.Names.UPNs), true
	case "key.type":
		return v.keyType(), true
	case "key.bits":
		return int64(v.bits), true
	case "validity":
		return int64(v.draft.Template.NotAfter.Sub(v.in.Now.Truncate(time.Second)) / time.Second), true
	case "profile":
		return v.profile.Name, true
	}
	return nil, false
}

func (v *view) caller(field string) (any, bool) {
	c := v.in.Caller
	if c == nil {
		return nil, false
	}
	switch field {
	case "realm":
		return string(c.Principal.Realm), true
	case "kind":
		return string(c.Principal.Kind), true
	case "name":
		return c.Principal.Name, true
	case "tags":
		tags := make(map[string]string, len(c.Tags))
		for _, t := range c.Tags {
			tags[t.Key] = t.Value
		}
		return tags, true
	}
	return nil, false
}

// keyType returns "rsa", or the name of the key's spec.
func (v *view) keyType() string {
	if v.family == rsaKey {
		return "rsa"
	}
	return v.in.Key.Spec().String()
}

// texts returns a list that is not nil, which CEL would not take for a list.
func texts(list []string) []string {
	if list == nil {
		return []string{}
	}
	return list
}

// subjectMap returns a subject's values by their attributes' words. Several of
// one attribute are joined by a line break, which no value can have.
func subjectMap(s *Subject) map[string]string {
	values := map[string]string{}
	for _, a := range s.Attributes() {
		word := name.AttributeName(a.OID)
		if before, there := values[word]; there {
			values[word] = before + "\n" + a.Value
			continue
		}
		values[word] = a.Value
	}
	return values
}
