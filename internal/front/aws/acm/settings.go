package acm

import (
	"context"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/front/aws"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/managed"
	wire "github.com/holdfast-kms/holdfast/internal/wire/aws"
)

func (f *front) renewCertificate(ctx context.Context, x *aws.Exchange, in *certificateRequest) error {
	id, err := in.id(x)
	if err != nil {
		return err
	}
	_, err = f.certificates.Renew(ctx, &x.Call, id)
	return err
}

func (f *front) deleteCertificate(ctx context.Context, x *aws.Exchange, in *certificateRequest) error {
	id, err := in.id(x)
	if err != nil {
		return err
	}
	return f.certificates.Delete(ctx, &x.Call, id)
}

type revokeCertificateRequest struct {
	certificateRequest
	reason string
}

// Members declares RevokeCertificate's request.
func (r *revokeCertificateRequest) Members(m *aws.Members) {
	r.certificateRequest.Members(m)
	m.Enum("RevocationReason", &r.reason, revocationReasons).Required()
}

func (f *front) revokeCertificate(ctx context.Context, x *aws.Exchange, in *revokeCertificateRequest) error {
	id, err := in.id(x)
	if err != nil {
		return err
	}
	reason, ok := valueOf(reasons, in.reason)
	if !ok {
		return wire.Unsupported("Holdfast does not support the RevocationReason " + in.reason + ".")
	}
	c, err := f.certificates.Revoke(ctx, &x.Call, id, reason)
	if err != nil {
		return err
	}
	x.Out.Text("CertificateArn", arnOf(c))
	return nil
}

type resendRequest struct {
	certificateRequest
	domain, validationDomain string
}

// Members declares ResendValidationEmail's request.
func (r *resendRequest) Members(m *aws.Members) {
	r.certificateRequest.Members(m)
	m.Text("Domain", &r.domain, 1, maxDomain).Matching(domainPattern).Required()
	m.Text("ValidationDomain", &r.validationDomain, 1, maxDomain).Matching(domainPattern).Required()
}

// resendValidationEmail refuses: no certificate here waits for a validation.
func (f *front) resendValidationEmail(ctx context.Context, x *aws.Exchange, in *resendRequest) error {
	id, err := in.id(x)
	if err != nil {
		return err
	}
	c, err := f.certificates.Describe(ctx, &x.Call, id)
	if err != nil {
		return err
	}
	return &fault.Error{
		Kind: fault.WrongState, Resource: c.Resource().String(), Public: "the certificate's domains are not validated by e-mail",
	}
}

type updateOptionsRequest struct {
	certificateRequest
	options *options
}

// Members declares UpdateCertificateOptions's request.
func (r *updateOptionsRequest) Members(m *aws.Members) {
	r.certificateRequest.Members(m)
	aws.Struct(m, "Options", &r.options).Required()
}

func (f *front) updateCertificateOptions(ctx context.Context, x *aws.Exchange, in *updateOptionsRequest) error {
	id, err := in.id(x)
	switch {
	case err != nil:
		return err
	case in.options.export != "":
		return aws.Validation("The Export option cannot be updated after the certificate is created.")
	case in.options.logging == "":
		return aws.Validation("No option to update is given.")
	}
	_, err = f.certificates.SetLogged(ctx, &x.Call, id, in.options.logging == enabled)
	return err
}

// accountRequest is the request of GetAccountConfiguration, which has no members.
type accountRequest struct{}

// Members declares the request.
func (*accountRequest) Members(*aws.Members) {}

func (f *front) getAccountConfiguration(ctx context.Context, x *aws.Exchange, _ *accountRequest) error {
	s, err := f.certificates.Settings(ctx, &x.Call)
	if err != nil {
		return err
	}
	x.Out.Object("ExpiryEvents", func() { x.Out.Int("DaysBeforeExpiry", s.NoticeDays) })
	return nil
}

type putAccountRequest struct {
	token  string
	events *expiryEvents
}

// Members declares PutAccountConfiguration's request. Putting the same twice
// changes nothing, so the token has nothing to do.
func (r *putAccountRequest) Members(m *aws.Members) {
	m.Text("IdempotencyToken", &r.token, 1, maxToken).Matching(tokenPattern).Required()
	aws.Struct(m, "ExpiryEvents", &r.events)
}

// expiryEvents is an ExpiryEventsConfiguration.
type expiryEvents struct{ days int }

// Members declares the structure.
func (e *expiryEvents) Members(m *aws.Members) {
	m.Int("DaysBeforeExpiry", &e.days, managed.MinNotice, managed.MaxNotice)
}

func (f *front) putAccountConfiguration(ctx context.Context, x *aws.Exchange, in *putAccountRequest) error {
	settings := managed.Settings{NoticeDays: managed.DefaultNotice}
	if in.events != nil && in.events.days != 0 {
		settings.NoticeDays = in.events.days
	}
	return f.certificates.PutSettings(ctx, &x.Call, settings)
}

// tag is a Tag of AWS Certificate Manager. It may come without a value, which
// when untagging means any.
type tag struct{ key, value string }

// absent marks a value that was not sent; no text that can be sent is the
// same, because it is no UTF-8.
const absent = "\xff"

// Members declares the structure.
func (t *tag) Members(m *aws.Members) {
	t.value = absent
	m.Text("Key", &t.key, 1, 128).Matching(tagPattern).Required()
	m.Text("Value", &t.value, 0, 256).Matching(tagPattern)
}

// declareTags declares a list of tags.
func declareTags(m *aws.Members, to *[]tag) *aws.Member {
	return aws.Structs(m, "Tags", to, maxTags).AtLeast(1)
}

func keyTags(list []tag) []key.Tag {
	var out []key.Tag
	for _, t := range list {
		if t.value == absent {
			t.value = ""
		}
		out = append(out, key.Tag{Key: t.key, Value: t.value})
	}
	return out
}

// tagRequest names a certificate and tags of it.
type tagRequest struct {
	certificateRequest
	tags []tag
}

// Members declares AddTagsToCertificate's request, and that of
// RemoveTagsFromCertificate, which is alike.
func (r *tagRequest) Members(m *aws.Members) {
	r.certificateRequest.Members(m)
	declareTags(m, &r.tags).Required()
}

func (f *front) addTags(ctx context.Context, x *aws.Exchange, in *tagRequest) error {
	id, err := in.id(x)
	if err != nil {
		return err
	}
	_, err = f.certificates.Tag(ctx, &x.Call, id, keyTags(in.tags))
	return err
}

func (f *front) removeTags(ctx context.Context, x *aws.Exchange, in *tagRequest) error {
	id, err := in.id(x)
	if err != nil {
		return err
	}
	tags := make([]managed.Untag, len(in.tags))
	for i, t := range in.tags {
		tags[i].Key = t.key
		if t.value != absent {
			tags[i].Value = &t.value
		}
	}
	_, err = f.certificates.Untag(ctx, &x.Call, id, tags)
	return err
}

func (f *front) listTags(ctx context.Context, x *aws.Exchange, in *certificateRequest) error {
	id, err := in.id(x)
	if err != nil {
		return err
	}
	c, err := f.certificates.Tags(ctx, &x.Call, id)
	if err != nil {
		return err
	}
	x.Out.Array("Tags", func() {
		for _, t := range c.Tags {
			x.Out.Object("", func() {
				x.Out.Text("Key", t.Key)
				x.Out.Text("Value", t.Value)
			})
		}
	})
	return nil
}
