// Package auditformat writes entries of the audit log in the formats of other
// systems: as records of AWS CloudTrail, as events of OCSF, in CEF and as
// messages of syslog. They are pure codecs: what they say, the entry says, in
// other words; what an entry does not hold is left out.
//
// Start with Encoder. event.go has the words that the formats share, which
// are those of AWS, whatever API a call came by; Writer writes files of
// records.
//
// The formats have versions of their own, which their constants name. The
// package is internal and may change with any release.
package auditformat

import (
	"cmp"
	"strings"
	"sync"
	"time"

	"github.com/holdfast-kms/holdfast/internal/entry"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/wire/aws"
)

// Event is an entry in AWS's words: what CloudTrail's events are found by.
type Event struct {
	Time time.Time
	// Name is the operation's ("Sign"), Source the service's
	// ("kms.amazonaws.com").
	Name, Source string
	// Region and Account are where the call was addressed; Account is empty
	// when nobody was proved to have sent it.
	Region, Account string
	// Username is of who called: a user's name, a session's, a service's.
	Username string
	// AccessKey is the public id of the credential.
	AccessKey string
	// ResourceType and ResourceName are of what the call was about, or empty:
	// "AWS::KMS::Key" and its ARN.
	ResourceType, ResourceName string
	// Type is AwsApiCall, or AwsServiceEvent of what a service does by itself.
	Type string
	// ReadOnly says that the operation changes nothing, Data that it is a data
	// event and no management event.
	ReadOnly, Data bool

	principal key.Principal
	resource  key.Resource
}

// EventOf returns an entry as an event.
func EventOf(e *entry.Entry) Event {
	service := serviceOf(e)
	v := Event{
		Time: e.Time, Name: nameOf(e), Source: eventSource(service), Region: cmp.Or(e.Region, globalRegion),
		Account: string(e.Realm), AccessKey: e.Credential, ReadOnly: readOnly(e.Action, nameOf(e)),
		Data: e.Action == key.InvokeFunction || e.Action == key.Publish,
	}
	v.principal, _ = key.ParsePrincipal(e.Principal)
	v.Username = username(v.principal)
	if v.principal.Kind == key.Federated {
		v.Username, v.AccessKey = e.Credential, "" // the subject of the token
	}
	v.Type = either(v.principal.Kind == key.Service && e.Source == "", "AwsServiceEvent", "AwsApiCall")
	if r, ok := key.ParseResource(e.Resource); ok {
		v.resource, v.ResourceType, v.ResourceName = r, typeOf(r.Kind), aws.ResourceARN(r)
	}
	return v
}

// Global reports whether the event is of a service that AWS has one of for
// all regions.
func (v *Event) Global() bool {
	return v.Source == eventSource("iam") || v.Source == eventSource("sts")
}

// Category is CloudTrail's.
func (v *Event) Category() string {
	if v.Data {
		return "Data"
	}
	return "Management"
}

// PrincipalARN is the ARN of who called.
func (v *Event) PrincipalARN() string { return aws.PrincipalARN(v.principal) }

// globalRegion is what AWS calls the region of what has none.
const globalRegion = "us-east-1"

// eventSource returns the source of a service's events.
func eventSource(service string) string {
	if service == "cloudwatch" {
		service = "monitoring"
	}
	return service + ".amazonaws.com"
}

// ours is the service of what AWS has no word for.
const ours = "holdfast"

// serviceOf returns the service of an entry's action, or else of its API, as
// IAM names services.
func serviceOf(e *entry.Entry) string {
	if e.Action != key.NoAction {
		service, _, _ := strings.Cut(aws.ActionName(e.Action), ":")
		return cmp.Or(service, ours)
	}
	return cmp.Or(apiService(e.API), ours)
}

// apiService returns the service of one of AWS's APIs, "" for another.
func apiService(api string) string {
	service, ok := strings.CutPrefix(api, "aws.")
	switch {
	case !ok:
		return ""
	case service == "pca":
		return "acm-pca"
	}
	return service
}

// eventNames are the operations whose names are not those of their actions.
var eventNames = map[key.Action]string{
	key.ReEncryptFrom: "ReEncrypt", key.ReEncryptTo: "ReEncrypt", key.InvokeFunction: "Invoke",
}

// nameOf returns AWS's name of the operation: the one of the call, when it
// came by the API that has it, else the action's.
func nameOf(e *entry.Entry) string {
	service := apiService(e.API)
	if service != "" && service == serviceOf(e) && e.Operation != "" {
		return e.Operation
	}
	if name := eventNames[e.Action]; name != "" {
		return name
	}
	_, name, _ := strings.Cut(aws.ActionName(e.Action), ":")
	return cmp.Or(name, e.Operation, "Unknown")
}

// reading are the actions that change nothing and whose names do not begin
// like it. AWS counts the uses of keys among them ("Logging AWS KMS API calls
// with AWS CloudTrail", AWS KMS Developer Guide).
var reading = sync.OnceValue(func() (set key.ActionSet) {
	set.Add(
		key.Encrypt, key.Decrypt, key.ReEncryptFrom, key.ReEncryptTo, key.GenerateDataKey, key.GenerateDataKeyWithoutPlaintext,
		key.GenerateRandom, key.Sign, key.Verify, key.GenerateMAC, key.VerifyMAC, key.DeriveSharedSecret, key.ExportManaged, key.ExportKey,
		key.BatchGetSecretValue, key.AssumeRole, key.AssumeRoleWithWebIdentity, key.CreateSession, key.ReadAudit, key.CheckCompliance,
	)
	for _, a := range key.Actions() {
		if _, name, _ := strings.Cut(aws.ActionName(a), ":"); readsByName(name) {
			set.Add(a)
		}
	}
	return set
})

func readsByName(name string) bool {
	return strings.HasPrefix(name, "Get") || strings.HasPrefix(name, "List") || strings.HasPrefix(name, "Describe")
}

func readOnly(a key.Action, name string) bool {
	if a == key.NoAction {
		return readsByName(name)
	}
	set := reading()
	return set.Has(a)
}

// username returns the name by which events of a principal are found.
func username(p key.Principal) string {
	switch p.Kind {
	case key.Root, key.Anonymous:
		return string(p.Kind)
	case key.Federated: // is known by the subject of its token
	case key.Service:
		return aws.ServiceName(p)
	case key.User, key.Role, key.Session:
		return p.Name[strings.LastIndexByte(p.Name, '/')+1:]
	}
	return ""
}

// types are the types of resources, as AWS CloudFormation names them.
var types = map[key.ResourceKind]string{
	key.KindKey: "AWS::KMS::Key", key.KindAlias: "AWS::KMS::Alias", key.KindAuthority: "AWS::ACMPCA::CertificateAuthority",
	key.KindCertificate: "AWS::ACMPCA::Certificate", key.KindManaged: "AWS::CertificateManager::Certificate",
	key.KindUser: "AWS::IAM::User", key.KindRole: "AWS::IAM::Role", key.KindIssuer: "AWS::IAM::OIDCProvider",
	key.KindCluster: "AWS::CloudHSM::Cluster", key.KindHSM: "AWS::CloudHSM::Hsm", key.KindBackup: "AWS::CloudHSM::Backup",
	key.KindSecret: "AWS::SecretsManager::Secret", key.KindTopic: "AWS::SNS::Topic", key.KindSubscription: "AWS::SNS::Subscription",
	key.KindTrail: "AWS::CloudTrail::Trail", key.KindAlarm: "AWS::CloudWatch::Alarm", key.KindFunction: "AWS::Lambda::Function",
}

// typeOf returns the type of a kind of resource; what AWS has not, is
// Holdfast's own.
func typeOf(k key.ResourceKind) string {
	if t := types[k]; t != "" {
		return t
	}
	return "Holdfast::" + strings.ToUpper(string(k[:1])) + string(k[1:])
}

// succeeded is the result of an entry whose call was served.
const succeeded = "ok"

// kindOf returns the kind of failure of an entry's result, Internal for a
// word that no kind has.
func kindOf(result string) fault.Kind {
	for _, k := range fault.Kinds() {
		if k.String() == result {
			return k
		}
	}
	return fault.Internal
}

// errorCode returns the error code of a failure, in the words of a service.
// Services have codes of their own: of those the ones of AWS KMS are told
// from the rest.
func errorCode(k fault.Kind, service string) string {
	kms := service == "kms"
	switch k {
	case fault.Internal:
		return "InternalFailure"
	case fault.InvalidArgument:
		return "ValidationException"
	case fault.Unauthenticated:
		return "UnrecognizedClientException"
	case fault.PermissionDenied:
		return "AccessDenied"
	case fault.NotFound:
		return either(kms, "NotFoundException", "ResourceNotFoundException")
	case fault.AlreadyExists:
		return either(kms, "AlreadyExistsException", "ResourceExistsException")
	case fault.WrongState:
		return either(kms, "KMSInvalidStateException", "InvalidStateException")
	case fault.Conflict:
		return "ConflictException"
	case fault.Unsupported:
		return "UnsupportedOperationException"
	case fault.LimitExceeded:
		return "LimitExceededException"
	case fault.BadCiphertext:
		return "InvalidCiphertextException"
	case fault.BadSignature:
		return either(service == "kms", "KMSInvalidSignatureException", "InvalidSignatureException")
	case fault.Unavailable:
		return "ServiceUnavailableException"
	}
	return "InternalFailure"
}

func either(first bool, a, b string) string {
	if first {
		return a
	}
	return b
}

// errorText returns the sentence of a failure; a refusal is in AWS's words.
func errorText(e *entry.Entry, v *Event) string {
	if e.Result != fault.PermissionDenied.String() {
		return e.Error
	}
	on := v.ResourceName
	if on == "" {
		on = "*"
	}
	return "User: " + v.PrincipalARN() + " is not authorized to perform: " +
		cmp.Or(aws.ActionName(e.Action), e.Operation) + " on resource: " + on
}

// roleOf returns the role that a session is of.
func roleOf(session key.Principal) key.Principal {
	end := max(0, strings.LastIndexByte(session.Name, '/'))
	return key.Principal{Realm: session.Realm, Kind: key.Role, Name: session.Name[:end]}
}
