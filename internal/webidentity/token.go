package webidentity

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/key"
)

// Limits of tokens.
const (
	MaxToken   = 20_000 // characters (AWS STS API reference, AssumeRoleWithWebIdentity)
	minToken   = 4
	maxSubject = 255
	maxMethods = 16
	maxTags    = 50
	// leeway is how far the issuer's clock may be off.
	leeway = time.Minute
)

// Token is a token that nobody has verified.
type Token struct {
	// Issuer is whom it claims to be from.
	Issuer    string
	signed    *jwt.JSONWebToken
	id        string
	algorithm jose.SignatureAlgorithm
}

// payload are the claims that are looked at. Names count by case, and a name
// that stands twice is an error (RFC 8725 section 2.4), which is the doing of
// go-jose's own encoding/json.
type payload struct {
	jwt.Claims
	Party   string   `json:"azp"`
	Methods []string `json:"amr"`
	Tags    struct {
		Tags       map[string][]string `json:"principal_tags"`
		Transitive []string            `json:"transitive_tag_keys"`
	} `json:"https://aws.amazon.com/tags"`
	Source string `json:"https://aws.amazon.com/source_identity"`
}

// Claims are what a verified token says.
type Claims struct {
	Subject string
	// Audiences are those whom the token is meant for and who are registered: the
	// authorised party if it names one (AWS's reading), else its audiences.
	// Original are its audiences then, all of them.
	Audiences, Original []string
	// Methods are how the subject proved who it is (RFC 8176).
	Methods []string
	Expires time.Time
	// Tags, Transitive and SourceIdentity are for a session that is made of it.
	Tags           []key.Tag
	Transitive     []string
	SourceIdentity string
}

func invalid(format string, args ...any) error {
	return fault.Because(fault.Unauthenticated, fault.InvalidIdentityToken, format, args...)
}

// Parse reads a token in the compact form (RFC 7515 section 3.1) and verifies
// nothing.
func Parse(text string) (*Token, error) {
	if len(text) < minToken || len(text) > MaxToken {
		return nil, invalid("the token has %d to %d characters", minToken, MaxToken)
	}
	signed, err := jwt.ParseSigned(text, algorithms)
	if err != nil || len(signed.Headers) != 1 {
		return nil, invalid("the token is no JSON Web Token that a public key verifies")
	}
	h := signed.Headers[0]
	if kind, given := h.ExtraHeaders[jose.HeaderType]; given {
		if name, ok := kind.(string); !ok || !strings.EqualFold(name, "JWT") {
			return nil, invalid("the token is not of the type JWT")
		}
	}
	var p payload
	if err := signed.UnsafeClaimsWithoutVerification(&p); err != nil {
		return nil, invalid("the token's claims cannot be read")
	}
	if p.Issuer == "" || len(p.Issuer) > MaxURL {
		return nil, invalid("the token names no issuer")
	}
	return &Token{Issuer: p.Issuer, signed: signed, id: h.KeyID, algorithm: jose.SignatureAlgorithm(h.Algorithm)}, nil
}

// Verify returns what a token says if the issuer signed it, for one of the
// audiences, and it is valid now. Failures are fault.Unauthenticated with
// InvalidIdentityToken, ExpiredIdentityToken or RejectedIdentityToken, or
// fault.Unavailable with IssuerUnreachable.
func (i *Issuer) Verify(ctx context.Context, t *Token, now time.Time) (*Claims, error) {
	if t.Issuer != i.URL {
		return nil, invalid("the token is of another issuer")
	}
	keys, err := i.find(ctx, t.id, t.algorithm, now)
	if err != nil {
		return nil, err
	}
	for _, k := range keys {
		var p payload
		if err := t.signed.Claims(k.key, &p); err == nil {
			return i.claims(&p, now)
		}
	}
	return nil, invalid("the token's signature does not verify")
}

// claims checks what a token says whose signature verifies.
func (i *Issuer) claims(p *payload, now time.Time) (*Claims, error) {
	switch {
	case p.Subject == "" || len(p.Subject) > maxSubject:
		return nil, invalid("the token's subject has 1 to %d characters", maxSubject)
	case p.Expiry == nil || p.IssuedAt == nil:
		return nil, invalid("the token does not say when it was issued and when it expires")
	case len(p.Methods) > maxMethods || len(p.Tags.Tags) > maxTags || len(p.Audience) > MaxAudiences:
		return nil, invalid("the token says too much")
	case !now.Before(p.Expiry.Time().Add(leeway)):
		return nil, fault.Because(fault.Unauthenticated, fault.ExpiredIdentityToken,
			"Token expired: current date/time %d must be before the expiration date/time %d", now.Unix(), p.Expiry.Time().Unix())
	case p.IssuedAt.Time().After(now.Add(leeway)) || p.NotBefore != nil && p.NotBefore.Time().After(now.Add(leeway)):
		return nil, fault.Because(fault.Unauthenticated, fault.RejectedIdentityToken, "the token is not valid yet")
	}
	c := &Claims{
		Subject: p.Subject, Methods: p.Methods, Expires: p.Expiry.Time(), SourceIdentity: p.Source, Transitive: p.Tags.Transitive,
	}
	wanted := []string(p.Audience)
	if p.Party != "" {
		wanted, c.Original = []string{p.Party}, p.Audience
	}
	for _, a := range i.Audiences { // in the order of the registration, each once
		if slices.Contains(wanted, a) {
			c.Audiences = append(c.Audiences, a)
		}
	}
	if len(c.Audiences) == 0 {
		return nil, invalid("Incorrect token audience")
	}
	for name, values := range p.Tags.Tags {
		if len(values) != 1 {
			return nil, invalid("the token's tag %q has not one value", name)
		}
		c.Tags = append(c.Tags, key.Tag{Key: name, Value: values[0]})
	}
	slices.SortFunc(c.Tags, func(a, b key.Tag) int { return strings.Compare(a.Key, b.Key) })
	return c, nil
}
