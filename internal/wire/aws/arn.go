package aws

import (
	"strings"

	"github.com/holdfast-kms/holdfast/internal/key"
)

// Partition is the AWS partition of every ARN that Holdfast makes or accepts.
const Partition = "aws"

// CAService is the service principal as which an authority uses its key.
const CAService = "acm-pca.amazonaws.com"

// TopicService is the service principal as which topics use their keys.
const TopicService = "sns.amazonaws.com"

// ManagedService is the service principal as which managed certificates use
// their keys and are renewed: authorities give it their permission.
const ManagedService = "acm.amazonaws.com"

// ARN is an Amazon Resource Name in its parts
// (arn:partition:service:region:account:resource).
type ARN struct {
	Partition, Service, Region string
	Account                    string // 12 digits, or empty
	Resource                   string // may have colons of its own
}

// ParseARN splits an ARN. It is false when there are fewer than six parts,
// the first one is not "arn", or the partition, service or resource is empty.
func ParseARN(s string) (ARN, bool) {
	parts := strings.SplitN(s, ":", 6)
	if len(parts) != 6 || parts[0] != "arn" {
		return ARN{}, false
	}
	a := ARN{Partition: parts[1], Service: parts[2], Region: parts[3], Account: parts[4], Resource: parts[5]}
	return a, a.Partition != "" && a.Service != "" && a.Resource != ""
}

// String joins the parts.
func (a ARN) String() string {
	return "arn:" + a.Partition + ":" + a.Service + ":" + a.Region + ":" + a.Account + ":" + a.Resource
}

// KeyARN returns the ARN of a key.
func KeyARN(n key.Name) string {
	return "arn:" + Partition + ":kms:" + n.Region + ":" + string(n.Realm) + ":key/" + string(n.ID)
}

// AliasARN returns the ARN of an alias, whose name has its "alias/" prefix.
func AliasARN(realm key.RealmID, region, name string) string {
	return "arn:" + Partition + ":kms:" + region + ":" + string(realm) + ":" + name
}

// AuthorityARN returns the ARN of an authority.
func AuthorityARN(realm key.RealmID, region, id string) string {
	return "arn:" + Partition + ":acm-pca:" + region + ":" + string(realm) + ":certificate-authority/" + id
}

// CertificateARN returns the ARN of a certificate that an authority issued.
func CertificateARN(realm key.RealmID, region, authority, serial string) string {
	return AuthorityARN(realm, region, authority) + "/certificate/" + serial
}

// ResourceARN returns the name that policies and answers use for a resource:
// its ARN, or "*" for the realm at large, which IAM has no ARN for.
func ResourceARN(r key.Resource) string {
	switch r.Kind {
	case key.KindNone:
		return "*"
	case key.KindKey:
		return KeyARN(key.Name{Realm: r.Realm, Region: r.Region, ID: key.ID(r.ID)})
	case key.KindAlias:
		return AliasARN(r.Realm, r.Region, r.ID)
	case key.KindAuthority:
		return AuthorityARN(r.Realm, r.Region, r.ID)
	case key.KindCertificate:
		authority, serial, _ := strings.Cut(r.ID, "/")
		return CertificateARN(r.Realm, r.Region, authority, serial)
	case key.KindManaged:
		return "arn:" + Partition + ":acm:" + r.Region + ":" + string(r.Realm) + ":certificate/" + r.ID
	case key.KindProfile:
		return "arn:" + Partition + ":holdfast:" + r.Region + ":" + string(r.Realm) + ":profile/" + r.ID
	case key.KindUser:
		return "arn:" + Partition + ":iam::" + string(r.Realm) + ":user/" + r.ID
	case key.KindServer:
		return "arn:" + Partition + ":holdfast:" + r.Region + ":" + string(r.Realm) + ":server/" + r.ID
	case key.KindKeyStore:
		return "arn:" + Partition + ":holdfast:" + r.Region + ":" + string(r.Realm) + ":key-store/" + KeyStoreID(r.ID)
	case key.KindCluster, key.KindBackup, key.KindHSM:
		kind := string(r.Kind)
		return "arn:" + Partition + ":cloudhsm:" + r.Region + ":" + string(r.Realm) + ":" + kind + "/" + kind + "-" + r.ID
	case key.KindRole, key.KindIssuer, key.KindSecret, key.KindTopic, key.KindSubscription, key.KindTrail, key.KindAlarm,
		key.KindFunction, key.KindApproval:
		return namedARN(r)
	}
	return "*"
}

// ParseResource reads the ARN of a key, an alias, an authority, a certificate
// (of an authority or managed), a cluster of HSMs or its backup, an HSM, a
// user, or what parseNamed reads. The resource's Key is not set.
func ParseResource(s string) (key.Resource, bool) {
	a, ok := ParseARN(s)
	r := key.Resource{Realm: key.RealmID(a.Account), Region: a.Region}
	if !ok || a.Partition != Partition || !r.Realm.Valid() {
		return key.Resource{}, false
	}
	if named, ok := parseNamed(a, r); ok {
		return named, true
	}
	kind, id, ok := strings.Cut(a.Resource, "/")
	if !ok || id == "" || (r.Region == "") != (a.Service == "iam") {
		return key.Resource{}, false
	}
	r.ID = id
	switch a.Service + " " + kind {
	case "kms key":
		r.Kind = key.KindKey
	case "kms alias":
		r.Kind, r.ID = key.KindAlias, a.Resource
	case "iam user":
		r.Kind = key.KindUser
	case "acm certificate":
		r.Kind = key.KindManaged
	case "acm-pca certificate-authority":
		return parseAuthority(r)
	case "cloudhsm cluster", "cloudhsm backup", "cloudhsm hsm":
		r.Kind = key.ResourceKind(kind)
		r.ID, ok = parseID(r.Kind, id)
		return r, ok
	default:
		return key.Resource{}, false
	}
	return r, true
}

// parseAuthority tells an authority's id from "authority/certificate/serial".
func parseAuthority(r key.Resource) (key.Resource, bool) {
	authority, rest, more := strings.Cut(r.ID, "/")
	if !more {
		r.Kind = key.KindAuthority
		return r, true
	}
	serial, ok := strings.CutPrefix(rest, "certificate/")
	if !ok || authority == "" || serial == "" || strings.Contains(serial, "/") {
		return key.Resource{}, false
	}
	r.Kind, r.ID = key.KindCertificate, authority+"/"+serial
	return r, true
}

// PrincipalARN returns the ARN by which AWS names a principal in answers and
// refusals: that of a session is its assumed-role ARN, without the role's
// path. A service is named by its service principal ("acm-pca.amazonaws.com"),
// an unknown caller by "anonymous": neither has an ARN.
func PrincipalARN(p key.Principal) string {
	iam := "arn:" + Partition + ":iam::" + string(p.Realm)
	switch p.Kind {
	case key.Root:
		return iam + ":root"
	case key.User:
		return iam + ":user/" + p.Name
	case key.Role:
		return iam + ":role/" + p.Name
	case key.Session:
		role, session := cutLast(p.Name)
		_, role = cutLast(role)
		return "arn:" + Partition + ":sts::" + string(p.Realm) + ":assumed-role/" + role + "/" + session
	case key.Service:
		return ServiceName(p)
	case key.Federated:
		return iam + ":oidc-provider/" + p.Name
	case key.Anonymous:
	}
	return "anonymous"
}

// ParsePrincipal reads an ARN of an account's root, a user, a role or an
// assumed role's session. Wildcards are no part of a principal's ARN.
func ParsePrincipal(s string) (key.Principal, bool) {
	a, ok := ParseARN(s)
	p := key.Principal{Realm: key.RealmID(a.Account)}
	if !ok || a.Partition != Partition || a.Region != "" || !p.Realm.Valid() || strings.ContainsAny(s, "*?") {
		return key.Principal{}, false
	}
	if a.Service == "iam" && a.Resource == "root" {
		p.Kind = key.Root
		return p, true
	}
	kind, name, _ := strings.Cut(a.Resource, "/")
	p.Name = name
	if name == "" || strings.HasSuffix(name, "/") || strings.HasPrefix(name, "/") {
		return key.Principal{}, false
	}
	switch a.Service + " " + kind {
	case "iam user":
		p.Kind = key.User
	case "iam role":
		p.Kind = key.Role
	case "sts assumed-role":
		p.Kind = key.Session
		return p, strings.Count(name, "/") == 1
	default:
		return key.Principal{}, false
	}
	return p, true
}

// ServiceName returns the service principal of a part of Holdfast: an
// authority ("ca/<id>") acts as AWS's private CA does, a managed certificate
// ("managed/<id>") as AWS Certificate Manager.
func ServiceName(p key.Principal) string {
	if p.Name == "ca" || strings.HasPrefix(p.Name, "ca/") {
		return CAService
	}
	if strings.HasPrefix(p.Name, "managed/") {
		return ManagedService
	}
	return p.Name
}

// cutLast splits s at its last slash; before is empty when there is none.
func cutLast(s string) (before, after string) {
	i := strings.LastIndexByte(s, '/')
	if i < 0 {
		return "", s
	}
	return s[:i], s[i+1:]
}
