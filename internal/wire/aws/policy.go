package aws

import (
	"errors"
	"fmt"
	"strings"

	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/policy"
)

// Dialect is the name of AWS's policy language in key.Document.
const Dialect = "aws"

// DefaultKeyPolicy returns the policy of a key that was made without one, word
// for word AWS's: the account may do everything, which lets its identity
// policies decide.
func DefaultKeyPolicy(realm key.RealmID) key.Document {
	root := PrincipalARN(key.Principal{Realm: realm, Kind: key.Root})
	return key.Document{Dialect: Dialect, Text: `{
  "Version" : "2012-10-17",
  "Id" : "key-default-1",
  "Statement" : [ {
    "Sid" : "Enable IAM User Permissions",
    "Effect" : "Allow",
    "Principal" : {
      "AWS" : "` + root + `"
    },
    "Action" : "kms:*",
    "Resource" : "*"
  } ]
}`}
}

// DefaultTopicPolicy returns the policy of a topic that was made without one,
// as AWS has it ("Example cases for Amazon SNS access control"): the account's
// services may use the topic, and its users what their own policies allow.
// AWS:SourceOwner is the account for which a service asks.
func DefaultTopicPolicy(topic key.Resource) key.Document {
	return key.Document{Dialect: Dialect, Text: `{"Version":"2008-10-17","Id":"__default_policy_ID","Statement":[{` +
		`"Sid":"__default_statement_ID","Effect":"Allow","Principal":{"AWS":"*"},"Action":["SNS:GetTopicAttributes",` +
		`"SNS:SetTopicAttributes","SNS:AddPermission","SNS:RemovePermission","SNS:DeleteTopic","SNS:Subscribe",` +
		`"SNS:ListSubscriptionsByTopic","SNS:Publish"],"Resource":"` + ResourceARN(topic) +
		`","Condition":{"StringEquals":{"AWS:SourceOwner":"` + string(topic.Realm) + `"}}}]}`}
}

// Vocabulary returns the words of AWS's policy documents: IAM action names,
// ARNs, and the condition keys of IAM, KMS and the private CA.
func Vocabulary() policy.Vocabulary { return vocabulary{} }

type vocabulary struct{}

// Actions returns the actions that an IAM action name matches.
func (vocabulary) Actions(pattern string) (key.ActionSet, error) { return matchActions(pattern) }

// ResourceName returns the resource's ARN, or "*" for the account at large.
func (vocabulary) ResourceName(r key.Resource) string { return PolicyARN(r) }

// PolicyARN returns the ARN by which policies name a resource. A certificate
// that an authority issued goes by the authority's ("Actions, resources, and
// condition keys for AWS Private Certificate Authority", Service Authorization
// Reference: there is no other resource type).
func PolicyARN(r key.Resource) string {
	if r.Kind == key.KindCertificate {
		r.Kind = key.KindAuthority
		r.ID, _, _ = strings.Cut(r.ID, "/")
	}
	return ResourceARN(r)
}

// CheckResource takes "*" and whatever begins as an ARN does; IAM itself takes
// one that is cut short by a wildcard ("arn:aws:kms:*").
func (vocabulary) CheckResource(pattern string) error {
	if pattern != "*" && !strings.HasPrefix(pattern, "arn:") {
		return fmt.Errorf("%q is neither \"*\" nor an ARN", pattern)
	}
	return nil
}

// Principal returns whom a member of a Principal element names ("AWS JSON
// policy elements: Principal", IAM User Guide). Unlike AWS, which looks them
// up, it takes users and roles that do not exist.
func (vocabulary) Principal(class, name string) (policy.Principal, error) {
	switch class {
	case "AWS":
		return awsPrincipal(name)
	case "Service":
		return servicePrincipal(name)
	case "Federated":
		return federatedPrincipal(name)
	case "CanonicalUser":
		return policy.Principal{}, errors.New("canonical user ids are S3's and name nobody here")
	}
	return policy.Principal{}, errors.New("is not AWS, Service or Federated")
}

func awsPrincipal(name string) (policy.Principal, error) {
	if name == "*" {
		return policy.Principal{Everyone: true}, nil
	}
	if realm := key.RealmID(name); realm.Valid() {
		return policy.Principal{Principal: key.Principal{Realm: realm, Kind: key.Root}}, nil
	}
	if p, ok := ParsePrincipal(name); ok {
		return policy.Principal{Principal: p}, nil
	}
	if strings.ContainsAny(name, "*?") {
		return policy.Principal{}, fmt.Errorf("%q: a wildcard cannot stand for a part of a principal", name)
	}
	return policy.Principal{}, fmt.Errorf("%q is not an account id, nor the ARN of an account's root, a user, a role or an assumed role", name)
}

// federatedPrincipal returns an issuer of tokens, by the ARN of the provider or
// by its name alone ("accounts.google.com"). Providers of SAML are nobody here.
func federatedPrincipal(name string) (policy.Principal, error) {
	nobody := policy.Principal{}
	if name == "" || strings.ContainsAny(name, "*?") {
		return nobody, fmt.Errorf("%q is not an identity provider", name)
	}
	if !strings.HasPrefix(name, "arn:") {
		return policy.Principal{Principal: key.Principal{Kind: key.Federated, Name: name}}, nil
	}
	r, ok := ParseResource(name)
	if ok && r.Kind == key.KindIssuer {
		return policy.Principal{Principal: key.Principal{Realm: r.Realm, Kind: key.Federated, Name: r.ID}}, nil
	}
	if a, whole := ParseARN(name); whole && a.Service == "iam" && strings.HasPrefix(a.Resource, "saml-provider/") {
		return nobody, nil
	}
	return nobody, fmt.Errorf("%q is not the ARN of an identity provider", name)
}

// servicePrincipal returns the part of Holdfast that does what the AWS service
// does; of the services that Holdfast has no part for, nobody.
func servicePrincipal(name string) (policy.Principal, error) {
	label, domain, ok := strings.Cut(name, ".")
	if !ok || label == "" || domain == "" || strings.ContainsAny(name, "*?/: ") {
		return policy.Principal{}, fmt.Errorf("%q is not a service such as %q", name, CAService)
	}
	if name == CAService {
		name = "ca"
	}
	return policy.Principal{Principal: key.Principal{Kind: key.Service, Name: name}}, nil
}
