package auditformat

import (
	"cmp"
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/audit"
	"github.com/holdfast-kms/holdfast/internal/entry"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/wire/aws"
)

// CloudTrailVersion is the version of CloudTrail's record that is written
// ("CloudTrail record contents", AWS CloudTrail User Guide).
const CloudTrailVersion = "1.11"

// CloudTrailFile returns the name of a file of an account's and region's
// records ("CloudTrail log file name format"): with the time of its first
// record and what tells it from all others.
func CloudTrailFile(account, region string, first time.Time, unique string) string {
	first = first.UTC()
	return "AWSLogs/" + account + "/CloudTrail/" + region + "/" + first.Format("2006/01/02") + "/" +
		account + "_CloudTrail_" + region + "_" + first.Format("20060102T1504Z") + "_" + unique + ".json.gz"
}

// CloudTrail appends a record of CloudTrail's, a JSON object.
//
// What a record of AWS's has and an entry has not is not there: unique ids of
// principals, the time of a session's beginning, tlsDetails. What only an
// entry has is in additionalEventData.
func (x *Encoder) CloudTrail(dst []byte, r *audit.Record) []byte {
	e, v := &r.Entry, EventOf(&r.Entry)
	return x.object(dst, func(out *aws.Encoder) {
		out.Text("eventVersion", CloudTrailVersion)
		userIdentity(out, e, &v)
		out.Text("eventTime", e.Time.UTC().Format("2006-01-02T15:04:05Z"))
		out.Text("eventSource", v.Source)
		out.Text("eventName", v.Name)
		out.Text("awsRegion", v.Region)
		out.Text("sourceIPAddress", cmp.Or(e.Source, v.service(), "internal"))
		textUnless(out, "userAgent", cmp.Or(e.UserAgent, v.service()))
		if e.Result != succeeded {
			out.Text("errorCode", errorCode(kindOf(e.Result), serviceOf(e)))
			textUnless(out, "errorMessage", errorText(e, &v))
		}
		parameters(out, e, &v)
		additional(out, r)
		textUnless(out, "requestID", e.RequestID)
		out.Text("eventID", EventID(x.log, r.Position).String())
		out.Bool("readOnly", v.ReadOnly)
		if v.ResourceName != "" {
			out.Array("resources", func() {
				out.Object("", func() {
					out.Text("accountId", string(v.resource.Realm))
					out.Text("type", v.ResourceType)
					out.Text("ARN", v.ResourceName)
				})
			})
		}
		out.Text("eventType", v.Type)
		out.Bool("managementEvent", !v.Data)
		textUnless(out, "recipientAccountId", v.Account)
		out.Text("eventCategory", v.Category())
	})
}

// service returns the service principal that acts, "" for another.
func (v *Event) service() string {
	if v.principal.Kind == key.Service {
		return v.Username
	}
	return ""
}

func textUnless(out *aws.Encoder, name, value string) {
	if value != "" {
		out.Text(name, value)
	}
}

// userIdentity adds who called ("CloudTrail userIdentity element").
func userIdentity(out *aws.Encoder, e *entry.Entry, v *Event) {
	p := v.principal
	out.Object("userIdentity", func() {
		switch p.Kind {
		case key.Root, key.User, key.Role, key.Session:
			out.Text("type", identityTypes[p.Kind])
			out.Text("arn", v.PrincipalARN())
			out.Text("accountId", string(p.Realm))
			textUnless(out, "accessKeyId", e.Credential)
			if p.Kind == key.User {
				out.Text("userName", v.Username)
			}
			sessionContext(out, e, p)
		case key.Service:
			out.Text("type", "AWSService")
			out.Text("invokedBy", v.Username)
		case key.Federated:
			out.Text("type", "WebIdentityUser")
			out.Text("principalId", p.Name+":"+e.Credential)
			out.Text("userName", e.Credential)
			out.Text("identityProvider", p.Name)
		case key.Anonymous:
			unproved(out, e)
		default:
			unproved(out, e)
		}
	})
}

var identityTypes = map[key.PrincipalKind]string{
	key.Root: "Root", key.User: "IAMUser", key.Role: "Role", key.Session: "AssumedRole",
}

// unproved adds somebody of whom nothing is known but the credential that was
// claimed.
func unproved(out *aws.Encoder, e *entry.Entry) {
	out.Text("type", "AWSAccount")
	out.Text("principalId", "")
	out.Text("accountId", "ANONYMOUS_PRINCIPAL")
	textUnless(out, "accessKeyId", e.Credential)
}

// temporary begins the ids of temporary credentials.
const temporary = "ASIA"

// sessionContext adds what is known of the session of temporary credentials.
func sessionContext(out *aws.Encoder, e *entry.Entry, p key.Principal) {
	if p.Kind != key.Session && !e.MFA && !strings.HasPrefix(e.Credential, temporary) {
		return
	}
	out.Object("sessionContext", func() {
		if p.Kind == key.Session {
			role := roleOf(p)
			out.Object("sessionIssuer", func() {
				out.Text("type", "Role")
				out.Text("arn", aws.PrincipalARN(role))
				out.Text("accountId", string(p.Realm))
				out.Text("userName", username(role))
			})
		}
		out.Object("attributes", func() { out.Text("mfaAuthenticated", strconv.FormatBool(e.MFA)) })
	})
}

// parameter is a member of requestParameters, or of responseElements.
type parameter struct {
	name     string
	response bool
}

// parameters are AWS's names of details, by the actions that have them.
var parameterNames = map[string]map[key.Action]parameter{
	"algorithm": {
		key.Sign: {"signingAlgorithm", false}, key.Verify: {"signingAlgorithm", false}, key.Encrypt: {"encryptionAlgorithm", false},
		key.Decrypt: {"encryptionAlgorithm", false}, key.GenerateMAC: {"macAlgorithm", false}, key.VerifyMAC: {"macAlgorithm", false},
		key.DeriveSharedSecret: {"keyAgreementAlgorithm", false},
	},
	"bytes": {
		key.GenerateDataKey: {"numberOfBytes", false}, key.GenerateDataKeyWithoutPlaintext: {"numberOfBytes", false},
		key.GenerateRandom: {"numberOfBytes", false},
	},
	"days":       {key.ScheduleKeyDeletion: {"pendingWindowInDays", false}, key.EnableKeyRotation: {"rotationPeriodInDays", false}},
	"spec":       {key.CreateKey: {"keySpec", false}},
	"usage":      {key.CreateKey: {"keyUsage", false}},
	"alias":      {key.CreateAlias: {"aliasName", false}, key.UpdateAlias: {"aliasName", false}, key.DeleteAlias: {"aliasName", false}},
	"grantee":    {key.CreateGrant: {"granteePrincipal", false}},
	"serial":     {key.RevokeCertificate: {"certificateSerial", false}, key.IssueCertificate: {"certificateSerial", true}},
	"reason":     {key.RevokeCertificate: {"revocationReason", false}, key.RevokeManaged: {"revocationReason", false}},
	"session":    {key.AssumeRole: {"roleSessionName", false}, key.AssumeRoleWithWebIdentity: {"roleSessionName", false}},
	"credential": {key.AssumeRole: {"accessKeyId", true}, key.AssumeRoleWithWebIdentity: {"accessKeyId", true}, key.CreateSession: {"accessKeyId", true}},
	"access key": {
		key.CreateAccessKey: {"accessKeyId", true}, key.DeleteAccessKey: {"accessKeyId", false}, key.UpdateAccessKey: {"accessKeyId", false},
	},
}

// contextPrefix begins the names of details that are an encryption context.
const contextPrefix = "context:"

// parameters adds what the entry holds of the request and of its answer.
func parameters(out *aws.Encoder, e *entry.Entry, v *Event) {
	var room [8]entry.Detail
	request, response, context := room[:0], []entry.Detail(nil), []entry.Detail(nil)
	if name := named[v.resource.Kind]; name != "" {
		if begins(e.Action) && v.resource.Kind == key.KindRole {
			name = "roleArn"
		}
		about := entry.Detail{Name: name, Value: v.ResourceName}
		if made[e.Action] {
			response = append(response, about)
		} else {
			request = append(request, about)
		}
	}
	for i := range e.Details {
		d := e.Details[i]
		p, ok := parameterNames[d.Name][e.Action]
		name, ofContext := strings.CutPrefix(d.Name, contextPrefix)
		switch {
		case ofContext && name != "":
			context = appendOnce(context, entry.Detail{Name: name, Value: d.Value})
		case ok && p.response:
			response = appendOnce(response, entry.Detail{Name: p.name, Value: d.Value})
		case ok:
			request = appendOnce(request, entry.Detail{Name: p.name, Value: awsValue(&d)})
		}
	}
	if len(request)+len(context) > 0 {
		out.Object("requestParameters", func() {
			members(out, request)
			if len(context) > 0 {
				out.Object("encryptionContext", func() { members(out, context) })
			}
		})
	}
	if len(response) > 0 {
		out.Object("responseElements", func() { members(out, response) })
	}
}

// named are the parameters that name what a call is about.
var named = map[key.ResourceKind]string{
	key.KindKey: "keyId", key.KindAlias: "keyId", key.KindAuthority: "certificateAuthorityArn", key.KindManaged: "certificateArn",
	key.KindUser: "userName", key.KindRole: "roleName", key.KindSecret: "secretId", key.KindTopic: "topicArn", key.KindTrail: "name",
}

// made are the actions whose callers do not name what they are about: the
// answer does.
var made = map[key.Action]bool{key.CreateKey: true, key.CreateAuthority: true, key.RequestManaged: true, key.ImportManaged: true}

// appendOnce appends a member, unless there is one of that name: no object of
// JSON has two.
func appendOnce(list []entry.Detail, d entry.Detail) []entry.Detail {
	for i := range list {
		if list[i].Name == d.Name {
			return list
		}
	}
	return append(list, d)
}

func members(out *aws.Encoder, list []entry.Detail) {
	for i := range list {
		member(out, list[i].Name, list[i].Value)
	}
}

// member adds a text whose name may be anything.
func member(out *aws.Encoder, name, value string) {
	if plainName(name) {
		out.Text(name, value)
		return
	}
	quoted, err := json.Marshal(name)
	if err != nil {
		panic(err) // a string always can
	}
	out.Text(string(quoted[1:len(quoted)-1]), value)
}

func plainName(name string) bool {
	for i := range len(name) {
		if c := name[i]; c < ' ' || c >= 0x7F || c == '"' || c == '\\' {
			return false
		}
	}
	return true
}

// awsValue returns a detail's value as AWS writes it.
func awsValue(d *entry.Detail) string {
	switch d.Name {
	case "algorithm":
		return cmp.Or(aws.AlgorithmName(alg.ParseAlgorithm(d.Value)), d.Value)
	case "spec":
		return cmp.Or(aws.SpecName(alg.ParseSpec(d.Value)), d.Value)
	case "usage":
		return cmp.Or(aws.UsageName(alg.ParseUsage(d.Value)), d.Value)
	}
	return d.Value
}

// additional adds what only an entry of Holdfast's has.
func additional(out *aws.Encoder, r *audit.Record) {
	e := &r.Entry
	out.Object("additionalEventData", func() {
		out.Text("position", strconv.FormatUint(uint64(r.Position), 10))
		textUnless(out, "api", e.API)
		textUnless(out, "action", e.Action.String())
		textUnless(out, "decision", string(e.Decision))
		textUnless(out, "why", e.Why)
		textUnless(out, "method", e.Method)
		details(out, e)
	})
}

// details adds the entry's own, in their order.
func details(out *aws.Encoder, e *entry.Entry) {
	if len(e.Details) == 0 {
		return
	}
	out.Array("details", func() {
		for i := range e.Details {
			out.Object("", func() {
				out.Text("name", e.Details[i].Name)
				out.Text("value", e.Details[i].Value)
			})
		}
	})
}
