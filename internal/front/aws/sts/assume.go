package sts

import (
	"context"
	"time"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/front/aws"
	"github.com/holdfast-kms/holdfast/internal/identity"
	"github.com/holdfast-kms/holdfast/internal/key"
	wire "github.com/holdfast-kms/holdfast/internal/wire/aws"
)

// Bounds of parameters (AWS STS API reference).
const (
	minSeconds, maxRoleSeconds, maxSeconds = 900, 43_200, 129_600
	// usualSession is how long a session of a user is when the request does not
	// say, and rootSession how long one of a realm's root is at most.
	usualSession = 12 * time.Hour
	rootSession  = time.Hour
)

// factor is the second factor of a request, as the request names it.
type factor struct{ serial, code string }

func readFactor(p *aws.Params) factor {
	return factor{p.Length("SerialNumber", 9, 256), p.Text("TokenCode")} // a code is not to be repeated in an error
}

// resolve returns the name of the factor of a caller in a realm.
func (f factor) resolve(realm key.RealmID) (name, code string, err error) {
	if f.serial == "" && f.code == "" {
		return "", "", nil
	}
	if f.serial == "" || f.code == "" {
		return "", "", fault.New(fault.InvalidArgument, "SerialNumber and TokenCode go together.")
	}
	name, ok := wire.ParseFactor(realm, f.serial)
	if !ok {
		return "", "", fault.Because(fault.PermissionDenied, fault.WrongFactor, "the device is not one of the caller's")
	}
	return name, f.code, nil
}

type sessionRequest struct {
	seconds int
	factor
}

func readSession(p *aws.Params) sessionRequest {
	return sessionRequest{p.Int("DurationSeconds", minSeconds, maxSeconds), readFactor(p)}
}

func (f *front) getSessionToken(ctx context.Context, x *aws.Exchange, in sessionRequest) error {
	r := identity.SessionRequest{Length: time.Duration(in.seconds) * time.Second}
	if in.seconds == 0 {
		r.Length = usualSession
	}
	if p := x.Call.Caller.Principal; p.Kind == key.Root {
		r.Length = min(r.Length, rootSession)
	}
	var err error
	if r.Factor, r.Code, err = in.resolve(x.Call.Caller.Principal.Realm); err != nil {
		return err
	}
	s, err := f.directory.CreateSession(ctx, &x.Call, r)
	if err != nil {
		return err
	}
	credentials(x, s)
	return nil
}

// credentials writes the member Credentials.
func credentials(x *aws.Exchange, s *identity.NewSession) {
	x.XML.Object("Credentials", func() {
		x.XML.Text("AccessKeyId", s.ID)
		x.XML.Text("SecretAccessKey", s.Secret)
		x.XML.Text("SessionToken", s.Token)
		x.XML.Text("Expiration", s.Expires.UTC().Format(time.RFC3339))
	})
}

type assumeRequest struct {
	role string
	identity.AssumeRequest
	factor
}

// readAssume reads what both ways of assuming a role have.
func readAssume(p *aws.Params) assumeRequest {
	in := assumeRequest{role: p.Required("RoleArn")}
	in.Session = p.Required("RoleSessionName")
	in.Length = time.Duration(p.Int("DurationSeconds", minSeconds, maxRoleSeconds)) * time.Second
	if text := p.Text("Policy"); text != "" {
		in.Policy = key.Document{Dialect: wire.Dialect, Text: text}
	}
	return in
}

func readAssumeRole(p *aws.Params) assumeRequest {
	in := readAssume(p)
	in.ExternalID, in.SourceIdentity = p.Text("ExternalId"), p.Text("SourceIdentity")
	for _, t := range p.Structs("Tags") {
		in.Tags = append(in.Tags, key.Tag{Key: t.Required("Key"), Value: t.Required("Value")})
	}
	in.Transitive = p.List("TransitiveTagKeys")
	in.factor = readFactor(p)
	return in
}

// roleOf reads the ARN of a role.
func roleOf(arn string) (key.Principal, error) {
	p, ok := wire.ParsePrincipal(arn)
	if !ok || p.Kind != key.Role {
		return p, fault.New(fault.InvalidArgument, "%s is invalid", arn)
	}
	return p, nil
}

func (f *front) assumeRole(ctx context.Context, x *aws.Exchange, in assumeRequest) error {
	var err error
	if in.Role, err = roleOf(in.role); err != nil {
		return err
	}
	if in.Factor, in.Code, err = in.resolve(x.Call.Caller.Principal.Realm); err != nil {
		return err
	}
	s, err := f.directory.AssumeRole(ctx, &x.Call, &in.AssumeRequest)
	if err != nil {
		return err
	}
	roleSession(x, s)
	return nil
}

// roleSession writes what both ways of assuming a role answer.
func roleSession(x *aws.Exchange, s *identity.RoleSession) {
	credentials(x, &s.NewSession)
	x.XML.Object("AssumedRoleUser", func() {
		x.XML.Text("AssumedRoleId", s.UserID)
		x.XML.Text("Arn", wire.PrincipalARN(s.Principal))
	})
	if s.SourceIdentity != "" {
		x.XML.Text("SourceIdentity", s.SourceIdentity)
	}
}

type webRequest struct {
	assumeRequest
	token string
}

func readAssumeWithWeb(p *aws.Params) webRequest {
	return webRequest{readAssume(p), p.Required("WebIdentityToken")}
}

func (f *front) assumeRoleWithWebIdentity(ctx context.Context, x *aws.Exchange, in webRequest) error {
	if !x.Call.Secure && !x.Call.Source.IsLoopback() {
		return fault.Because(fault.Unauthenticated, fault.InvalidIdentityToken, "tokens are taken only over https")
	}
	role, err := roleOf(in.role)
	if err != nil {
		return err
	}
	s, err := f.directory.AssumeRoleWithWebIdentity(ctx, &x.Call, &identity.WebIdentityRequest{
		Role: role, Session: in.Session, Length: in.Length, Policy: in.Policy, Token: in.token,
	})
	if err != nil {
		return err
	}
	roleSession(x, s)
	x.XML.Text("SubjectFromWebIdentityToken", s.Web.Subject)
	x.XML.Text("Audience", s.Web.Audiences[0])
	x.XML.Text("Provider", wire.ResourceARN(s.Issuer.Resource()))
	return nil
}

func (f *front) getAccessKeyInfo(ctx context.Context, x *aws.Exchange, id string) error {
	realm, err := f.directory.AccessKeyRealm(ctx, &x.Call, id)
	if err != nil {
		return err
	}
	x.XML.Text("Account", string(realm))
	return nil
}
