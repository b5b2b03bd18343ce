package secretsmanager

import (
	"context"
	"strconv"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/front/aws"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/secret"
	wire "github.com/holdfast-kms/holdfast/internal/wire/aws"
)

type deleteSecretRequest struct {
	secretRequest
	days  int64
	force bool
}

// absentDays marks a recovery window that was not sent.
const absentDays = -1 << 40

// Members declares DeleteSecret's request.
func (r *deleteSecretRequest) Members(m *aws.Members) {
	r.days = absentDays
	r.secretRequest.Members(m)
	m.Long("RecoveryWindowInDays", &r.days, absentDays)
	m.Bool("ForceDeleteWithoutRecovery", &r.force)
}

func (f *front) deleteSecret(ctx context.Context, x *aws.Exchange, in *deleteSecretRequest) error {
	req := &secret.DeleteRequest{Force: in.force}
	var err error
	if req.Secret, err = in.ref(); err != nil {
		return err
	}
	if in.days != absentDays {
		switch {
		case in.force:
			return invalid("You can't use ForceDeleteWithoutRecovery in conjunction with RecoveryWindowInDays.")
		case in.days < secret.MinRecovery || in.days > secret.MaxRecovery:
			return invalid("The RecoveryWindowInDays value must be between " + strconv.Itoa(secret.MinRecovery) + " and " +
				strconv.Itoa(secret.MaxRecovery) + " days (inclusive).")
		}
		req.Days = int(in.days)
	}
	d, err := f.secrets.Delete(ctx, &x.Call, req)
	if err != nil {
		return err
	}
	if d.Secret != nil {
		writeNames(x, d.Secret)
	} else { // there was none, which a repetition must not fail for
		r := key.Resource{Kind: key.KindSecret, Realm: x.Call.Caller.Principal.Realm, Region: x.Call.Region, ID: req.Secret.Text}
		x.Out.Text("ARN", wire.ResourceARN(r))
		x.Out.Text("Name", req.Secret.Text)
	}
	x.Out.Time("DeletionDate", d.At)
	return nil
}

// about runs what needs a secret and nothing else, and answers with its names.
func about(x *aws.Exchange, in *secretRequest, do func(secret.Ref) (*secret.Secret, error)) (*secret.Secret, error) {
	ref, err := in.ref()
	if err != nil {
		return nil, err
	}
	s, err := do(ref)
	if err != nil {
		return nil, err
	}
	writeNames(x, s)
	return s, nil
}

func (f *front) restoreSecret(ctx context.Context, x *aws.Exchange, in *secretRequest) error {
	_, err := about(x, in, func(ref secret.Ref) (*secret.Secret, error) { return f.secrets.Restore(ctx, &x.Call, ref) })
	return err
}

func (f *front) getResourcePolicy(ctx context.Context, x *aws.Exchange, in *secretRequest) error {
	s, err := about(x, in, func(ref secret.Ref) (*secret.Secret, error) { return f.secrets.Policy(ctx, &x.Call, ref) })
	switch {
	case err != nil || s.Policy.Text == "":
		return err
	case s.Policy.Dialect != wire.Dialect:
		return wire.Unsupported("The policy of the secret is written for another API.")
	}
	x.Out.Text("ResourcePolicy", s.Policy.Text)
	return nil
}

func (f *front) deleteResourcePolicy(ctx context.Context, x *aws.Exchange, in *secretRequest) error {
	_, err := about(x, in, func(ref secret.Ref) (*secret.Secret, error) { return f.secrets.DeletePolicy(ctx, &x.Call, ref) })
	return err
}

type putPolicyRequest struct {
	secretRequest
	policy string
	block  bool
}

// Members declares PutResourcePolicy's request.
func (r *putPolicyRequest) Members(m *aws.Members) {
	r.secretRequest.Members(m)
	m.Text("ResourcePolicy", &r.policy, 1, maxPolicy).Required()
	m.Bool("BlockPublicPolicy", &r.block)
}

func document(text string) key.Document { return key.Document{Dialect: wire.Dialect, Text: text} }

func (f *front) putResourcePolicy(ctx context.Context, x *aws.Exchange, in *putPolicyRequest) error {
	_, err := about(x, &in.secretRequest, func(ref secret.Ref) (*secret.Secret, error) {
		return f.secrets.PutPolicy(ctx, &x.Call, ref, document(in.policy), in.block)
	})
	return err
}

type validatePolicyRequest struct{ id, policy string }

// Members declares ValidateResourcePolicy's request.
func (r *validatePolicyRequest) Members(m *aws.Members) {
	m.Text("SecretId", &r.id, 1, maxSecretID)
	m.Text("ResourcePolicy", &r.policy, 1, maxPolicy).Required()
}

// checkNames are what a flaw of a policy is called, by its reason.
var checkNames = map[fault.Reason]string{
	fault.MalformedPolicy: "POLICY_SYNTAX", fault.PublicPolicy: "POLICY_PUBLIC_ACCESS", fault.PolicyLockout: "POLICY_LOCKOUT",
}

func (f *front) validateResourcePolicy(ctx context.Context, x *aws.Exchange, in *validatePolicyRequest) error {
	var ref secret.Ref
	if in.id != "" {
		var err error
		if ref, err = refOf(in.id); err != nil {
			return err
		}
	}
	flaws, err := f.secrets.ValidatePolicy(ctx, &x.Call, ref, document(in.policy))
	if err != nil {
		return err
	}
	x.Out.Bool("PolicyValidationPassed", len(flaws) == 0)
	x.Out.Array("ValidationErrors", func() {
		for _, flaw := range flaws {
			x.Out.Object("", func() {
				x.Out.Text("CheckName", checkNames[flaw.Reason])
				x.Out.Text("ErrorMessage", sentence(flaw.Public))
			})
		}
	})
	return nil
}

type tagRequest struct {
	secretRequest
	tags []tag
}

// Members declares TagResource's request.
func (r *tagRequest) Members(m *aws.Members) {
	r.secretRequest.Members(m)
	aws.Structs(m, "Tags", &r.tags, maxTags).Required()
}

func (f *front) tagResource(ctx context.Context, x *aws.Exchange, in *tagRequest) error {
	ref, err := in.ref()
	if err != nil {
		return err
	}
	_, err = f.secrets.Tag(ctx, &x.Call, ref, keyTags(in.tags))
	return err
}

type untagRequest struct {
	secretRequest
	names []string
}

// Members declares UntagResource's request.
func (r *untagRequest) Members(m *aws.Members) {
	r.secretRequest.Members(m)
	m.List("TagKeys", &r.names, maxTags, 1, 128).Required()
}

func (f *front) untagResource(ctx context.Context, x *aws.Exchange, in *untagRequest) error {
	ref, err := in.ref()
	if err != nil {
		return err
	}
	_, err = f.secrets.Untag(ctx, &x.Call, ref, in.names)
	return err
}

type passwordRequest struct {
	length                            int
	exclude                           string
	digits, punctuation, upper, lower bool // which to leave out
	space                             bool
	each                              *bool
}

// Members declares GetRandomPassword's request.
func (r *passwordRequest) Members(m *aws.Members) {
	m.Int("PasswordLength", &r.length, 1, maxPassword)
	m.Text("ExcludeCharacters", &r.exclude, 0, maxPassword)
	m.Bool("ExcludeNumbers", &r.digits)
	m.Bool("ExcludePunctuation", &r.punctuation)
	m.Bool("ExcludeUppercase", &r.upper)
	m.Bool("ExcludeLowercase", &r.lower)
	m.Bool("IncludeSpace", &r.space)
	m.Flag("RequireEachIncludedType", &r.each)
}

func (f *front) getRandomPassword(ctx context.Context, x *aws.Exchange, in *passwordRequest) error {
	req := &secret.PasswordRequest{Length: in.length, Without: in.exclude, Each: in.each == nil || *in.each}
	for _, c := range []struct {
		wanted bool
		class  secret.Class
	}{
		{!in.lower, secret.Lower}, {!in.upper, secret.Upper}, {!in.digits, secret.Digits}, {!in.punctuation, secret.Punctuation}, {in.space, secret.Space},
	} {
		if c.wanted {
			req.Classes |= c.class
		}
	}
	p, err := f.secrets.Password(ctx, &x.Call, req)
	if err != nil {
		return err
	}
	defer p.Wipe()
	x.Out.Text("RandomPassword", string(p.Reveal()))
	return nil
}
