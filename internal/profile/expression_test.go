package profile

import (
	"context"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-kms/holdfast/internal/fault"
)

// TestExpressions is the table of what rules know of a request: that of alice,
// for a P-256 key, for 90 days.
func TestExpressions(t *testing.T) {
	names := Names{
		DNS: []string{"a.example.com", "b.example.com"}, IPs: []netip.Addr{netip.MustParseAddr("10.0.0.1")}, URIs: []string{"urn:x"},
		Emails: []string{"a@example.com"}, UPNs: []string{"a@corp.example"},
	}
	subject := Subject{CommonName: "alice", Organization: "Example", Custom: []Attribute{{OID: oidUnit, Value: "x"}, {OID: oidUnit, Value: "y"}}}
	for text, good := range map[string]bool{
		`true`:  true,
		`false`: false,
		`request.subject.commonName == caller.name.replace('ops/', '')`:                                 false, // not compiled: see below
		`request.subject.commonName == 'alice' && request.subject['organization'] == 'Example'`:         true,
		`request.subject.organizationalUnit == 'x\ny'`:                                                  true,
		`has(request.subject.country)`:                                                                  false,
		`request.dns.all(n, n.endsWith('.example.com')) && size(request.dns) == 2`:                      true,
		`request.ips == ['10.0.0.1'] && request.uris == ['urn:x']`:                                      true,
		`request.emails[0].matches('^[a-z]@example\\.com$') && request.upns.exists(u, u.contains('@'))`: true,
		`request.key.type == 'p-256' && request.key.bits == 256`:                                        true,
		`request.validity == 90 * 86400 && request.profile == 'test'`:                                   true,
		`caller.realm == 'default' && caller.kind == 'user' && caller.name == 'ops/alice'`:              true,
		`caller.tags.team == 'badges' && !('x' in caller.tags)`:                                         true,
		`now == timestamp('2026-11-22T12:00:00Z') && now.getDayOfWeek() == 0`:                           true,
		`now.getHours() >= 9 && now.getHours() < 12`:                                                    false,
	} {
		if strings.Contains(text, "replace") {
			if _, err := (&Profile{Name: "x", Keys: AnyKey(), Default: Days(1), Rules: []Rule{{Expression: text}}}).Compile(); err == nil {
				t.Errorf("%s: there is such a function", text)
			}
			continue
		}
		t.Run(text, func(t *testing.T) {
			p := compile(t, Profile{Names: AnyName, Subject: SubjectRules{Repeated: true}, Rules: []Rule{{Expression: text}}})
			_, err := p.Draft(t.Context(), input(t, subject, names))
			wantViolation(t, err, good)
		})
	}
}

// TestExpressionsThatFail: an expression that cannot be told of a request, or
// that would take too long, refuses it, soon and with a message.
func TestExpressionsThatFail(t *testing.T) {
	loop := "[0,1,2,3,4,5,6,7,8,9].all(x, %s)"
	nested := "true"
	for range 9 {
		nested = strings.Replace(loop, "%s", nested, 1)
	}
	long := "'aaaaaaaaaaaaaaaa'"
	for range 20 {
		long = "[" + long + "].map(s, s + s)[0]"
	}
	many := "request.dns.all(a, request.dns.all(b, request.dns.all(c, (a + b + c).matches('(a|b)*c'))))"
	for name, c := range map[string]struct{ expression, message, says string }{
		"no such member":          {"request.subject.country == 'CH'", "", "no such key"},
		"no such element":         {"request.emails[5] == 'x'", "", "index"},
		"a division by zero":      {"1 / (size(request.emails) - size(request.emails)) == 1", "", "zero"},
		"an overflow":             {"9223372036854775807 + size(request.dns) > 0", "", "overflow"},
		"a bad regular expresson": {"'x'.matches(request.subject.commonName)", "", "error parsing regexp"},
		"a loop of loops":         {nested, "", "cost limit"},
		"a text that grows":       {"size(" + long + ") > 0", "", "cost limit"},
		"a loop over many names":  {many, "", ""},
		"a message of its own":    {"false", "only on Sundays", "only on Sundays"},
		"a rule without message":  {"1 == 2", "", `the rule "1 == 2" is not true`},
	} {
		t.Run(name, func(t *testing.T) {
			p := compile(t, Profile{Names: AnyName, Rules: []Rule{{Expression: c.expression, Message: c.message}}})
			in := input(t, Subject{CommonName: "("}, dns(hosts(100)...))
			start := time.Now()
			_, err := p.Draft(t.Context(), in)
			wantViolation(t, err, false)
			if took := time.Since(start); took > 5*time.Second {
				t.Errorf("the refusal took %s", took)
			}
			// On a machine that is busy beyond measure the clock is the first.
			slow := c.says == "cost limit" && strings.Contains(err.Error(), "took too long")
			if !strings.Contains(err.Error(), c.says) && !slow {
				t.Errorf("error %q, want it to say %q", err, c.says)
			}
		})
	}
}

// TestGivenUp: an expression ends when nobody waits for it any more.
func TestGivenUp(t *testing.T) {
	p := compile(t, Profile{Names: AnyName, Rules: []Rule{{Expression: "request.dns.all(a, request.dns.all(b, a != b || a == b))"}}})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := p.Draft(ctx, input(t, Subject{}, dns(hosts(100)...))); fault.KindOf(err) != fault.Unavailable {
		t.Errorf("error %v", err)
	}
}

// TestTooManyRules: a profile is refused before its rules cost anything.
func TestTooManyRules(t *testing.T) {
	rules := make([]Rule, maxRules+1)
	for i := range rules {
		rules[i].Expression = "true"
	}
	p := leaf("x", "")
	p.Rules = rules
	if _, err := p.Compile(); fault.KindOf(err) != fault.InvalidArgument {
		t.Errorf("error %v", err)
	}
}
