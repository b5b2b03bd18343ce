package azure

import (
	"errors"
	"net/url"
	"strings"
)

// Challenge is what a vault says to a request without a token that it accepts
// (RFC 6750 section 3), in the one form that every official client reads:
//
//	Bearer authorization="https://login.host/tenant", resource="https://vault.host"
type Challenge struct {
	// Authorization is the authority that gives tokens; the first segment of its
	// path is the tenant.
	Authorization string
	// Resource is what the token must be for.
	Resource string
	// Error says what is wrong with a token that came, such as invalid_token; ""
	// where none came.
	Error string
	// Claims are what a new token must have, in base64, where Error is
	// insufficient_claims (Continuous Access Evaluation).
	Claims string
}

// String returns the value of the WWW-Authenticate header. The parts are apart by
// a comma and a space: some clients split at the one and some at the other.
func (c Challenge) String() string {
	text := `Bearer authorization="` + c.Authorization + `", resource="` + c.Resource + `"`
	if c.Error != "" {
		text += `, error="` + c.Error + `"`
	}
	if c.Claims != "" {
		text += `, claims="` + c.Claims + `"`
	}
	return text
}

// ParseChallenge reads the value of a WWW-Authenticate header. Parts that it
// does not know are left out, scope stands for a resource that is not there, and
// a challenge without a tenant is an error.
func ParseChallenge(header string) (Challenge, error) {
	rest, ok := cutScheme(header)
	if !ok {
		return Challenge{}, errors.New("not a Bearer challenge")
	}
	parts := map[string]string{}
	for rest = strings.TrimLeft(rest, ", "); rest != ""; rest = strings.TrimLeft(rest, ", ") {
		name, after, ok := strings.Cut(rest, `="`)
		if !ok || !plain(name) || strings.ContainsAny(name, " ,=") {
			return Challenge{}, errors.New("malformed challenge")
		}
		value, after, ok := strings.Cut(after, `"`)
		if _, twice := parts[name]; !ok || twice || !plain(value) {
			return Challenge{}, errors.New("malformed challenge")
		}
		parts[name], rest = value, after
	}
	c := Challenge{Authorization: parts["authorization"], Resource: parts["resource"], Error: parts["error"], Claims: parts["claims"]}
	if c.Resource == "" {
		c.Resource = strings.TrimSuffix(parts["scope"], "/.default")
	}
	if c.Resource == "" || c.Tenant() == "" {
		return Challenge{}, errors.New("the challenge does not say what token is wanted, and from whom")
	}
	return c, nil
}

func cutScheme(header string) (string, bool) {
	const scheme = "Bearer "
	if len(header) < len(scheme) || !strings.EqualFold(header[:len(scheme)], scheme) {
		return "", false
	}
	return header[len(scheme):], true
}

// plain reports whether text can stand between quotes as it is.
func plain(text string) bool {
	return strings.IndexFunc(text, func(r rune) bool { return r < 0x20 || r > 0x7e || r == '\\' }) < 0
}

// Tenant returns the tenant of the authority, "" where it names none.
func (c Challenge) Tenant() string {
	u, err := url.Parse(c.Authorization)
	if err != nil || u.Scheme != "https" || u.Host == "" {
		return ""
	}
	tenant, _, _ := strings.Cut(strings.TrimPrefix(u.Path, "/"), "/")
	return tenant
}

// ResourceOf returns the resource that a vault of the host asks tokens for: the
// host without its first label, and with its port. Official clients refuse any
// other.
func ResourceOf(host string) string {
	_, rest, _ := strings.Cut(host, ".")
	return "https://" + rest
}
