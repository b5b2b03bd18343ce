package sns

import (
	"strings"

	"github.com/holdfast-kms/holdfast/internal/front/aws"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/kms"
	"github.com/holdfast-kms/holdfast/internal/topic"
	wire "github.com/holdfast-kms/holdfast/internal/wire/aws"
)

// arn is an ARN of a request, with the name of the parameter that it was.
type arn struct{ name, text string }

func required(p *aws.Params, name string) arn { return arn{name, p.Required(name)} }

func readTopicARN(p *aws.Params) arn { return required(p, "TopicArn") }

func readSubscriptionARN(p *aws.Params) arn { return required(p, "SubscriptionArn") }

func readResourceARN(p *aws.Params) arn { return required(p, "ResourceArn") }

// resource reads the ARN of a thing of a kind. An unsigned request is one in
// the thing's own region.
func (a arn) resource(x *aws.Exchange, kind key.ResourceKind) (key.Resource, error) {
	if n := strings.Count(a.text, ":") + 1; n < 6 {
		return key.Resource{}, topic.Wrong(a.name, "an ARN must have at least 6 elements, not %d", n)
	}
	r, ok := wire.ParseResource(a.text)
	if !ok || r.Kind != kind {
		return key.Resource{}, topic.Wrong(a.name, "it is not the ARN of a %s", kind)
	}
	if x.Call.Caller.Principal.Kind == key.Anonymous {
		x.Call.Region, x.Call.Caller.Principal.Realm = r.Region, r.Realm
	}
	return r, nil
}

func (a arn) topic(x *aws.Exchange) (key.Resource, error) { return a.resource(x, key.KindTopic) }

func (a arn) subscription(x *aws.Exchange) (key.Resource, error) {
	return a.resource(x, key.KindSubscription)
}

// keyRef reads how a topic names its key: as the KMS API does.
func keyRef(id string) (kms.Ref, error) {
	switch {
	case id == "":
		return kms.Ref{}, nil
	case strings.HasPrefix(id, kms.AliasPrefix):
		return kms.Ref{Alias: id}, nil
	case !strings.HasPrefix(id, "arn:"):
		return kms.Ref{ID: key.ID(id)}, nil
	}
	r, ok := wire.ParseResource(id)
	switch {
	case ok && r.Kind == key.KindKey:
		return kms.Ref{Realm: r.Realm, Region: r.Region, ID: key.ID(r.ID)}, nil
	case ok && r.Kind == key.KindAlias:
		return kms.Ref{Realm: r.Realm, Region: r.Region, Alias: r.ID}, nil
	}
	return kms.Ref{}, topic.Wrong("KmsMasterKeyId", "it is not the ARN of a key or an alias")
}

// flag reads a boolean attribute.
func flag(name, value string) (bool, error) {
	switch strings.ToLower(value) {
	case "true":
		return true, nil
	case "false":
		return false, nil
	}
	return false, topic.Wrong(name, "%s must be true or false", name)
}

// usualPage is the size of pages, which requests cannot choose.
const usualPage = 100

// page returns the page that a marker asks for.
func page(x *aws.Exchange, marker string) (kms.Page, error) {
	p, err := x.Page(aws.PageRequest{Marker: marker}, usualPage, "NextToken is not of this listing")
	if err != nil {
		return p, topic.Wrong("NextToken", "it is not of this listing")
	}
	return p, nil
}

func readMarker(p *aws.Params) string { return p.Text("NextToken") }

// next adds where the next page begins.
func next(x *aws.Exchange, after string) {
	if after != "" {
		x.XML.Text("NextToken", x.NextMarker(after))
	}
}
