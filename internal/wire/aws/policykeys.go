package aws

import (
	"fmt"
	"strings"
	"time"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/policy"
)

// getter is a condition key's: the i-th value it has in a request.
type getter = func(r *policy.Request, i int) (policy.Value, bool)

// conditionKeys are the keys that a request can have, by their names in lower
// case ("AWS global condition context keys", IAM User Guide; "AWS KMS condition
// keys", AWS KMS Developer Guide). Keys of the same namespaces that are not
// here are never present: those about organisations, VPCs, grants, replicas
// and custom key stores, and kms:ResourceAliases, which a Request does not tell.
// Those of Secrets Manager are in policysecrets.go.
var conditionKeys = map[string]policy.ConditionKey{
	"aws:principalarn":          single(principalARN),
	"aws:principalaccount":      single(principalAccount),
	"aws:principaltype":         single(principalType),
	"aws:principalisawsservice": single(isService),
	"aws:principalservicename":  single(serviceName),
	"aws:userid":                single(userID),
	"aws:username":              single(userName),

	"aws:sourceip":                               single(sourceIP),
	"aws:securetransport":                        single(secureTransport),
	"aws:currenttime":                            single(currentTime),
	"aws:epochtime":                              single(currentTime),
	"aws:useragent":                              single(userAgent),
	"aws:requestedregion":                        single(requestedRegion),
	"aws:multifactorauthpresent":                 single(mfaPresent),
	"aws:multifactorauthage":                     single(mfaAge),
	"aws:tokenissuetime":                         single(tokenIssueTime),
	"aws:viaawsservice":                          single(viaService),
	"aws:calledviafirst":                         single(calledVia),
	"aws:calledvialast":                          single(calledVia),
	"aws:calledvia":                              {Get: single(calledVia).Get, Multivalued: true},
	"kms:viaservice":                             single(kmsVia),
	"aws:sourcearn":                              single(sourceARN),
	"aws:sourceaccount":                          single(sourceAccount),
	"aws:sourceowner":                            single(sourceAccount),
	"aws:resourceaccount":                        single(resourceAccount),
	"aws:federatedprovider":                      single(federatedProvider),
	"aws:sourceidentity":                         single(sourceIdentity),
	"sts:externalid":                             single(externalID),
	"sts:rolesessionname":                        single(roleSessionName),
	"sts:sourceidentity":                         single(requestedSourceIdentity),
	"sts:durationseconds":                        single(durationSeconds),
	"sts:transitivetagkeys":                      {Get: transitiveKeys, Multivalued: true},
	"aws:tagkeys":                                {Get: tagKeys, Multivalued: true},
	"kms:encryptioncontextkeys":                  {Get: contextKeys, Multivalued: true},
	"kms:encryptionalgorithm":                    single(algorithmOf(alg.EncryptDecrypt, alg.RawEncryptDecrypt)),
	"kms:signingalgorithm":                       single(algorithmOf(alg.SignVerify)),
	"kms:macalgorithm":                           single(algorithmOf(alg.GenerateVerifyMAC)),
	"kms:keyagreementalgorithm":                  single(algorithmOf(alg.KeyAgreement)),
	"kms:messagetype":                            single(messageType),
	"kms:keyspec":                                single(keySpec),
	"kms:customermasterkeyspec":                  single(keySpec),
	"kms:keyusage":                               single(keyUsage),
	"kms:customermasterkeyusage":                 single(keyUsage),
	"kms:keyorigin":                              single(keyOrigin),
	"kms:wrappingalgorithm":                      single(wrappingAlgorithm),
	"kms:wrappingkeyspec":                        single(wrappingSpec),
	"kms:expirationmodel":                        single(expirationModel),
	"kms:validto":                                single(validTo),
	"kms:multiregion":                            single(multiRegion),
	"kms:calleraccount":                          single(principalAccount),
	"kms:requestalias":                           single(requestAlias),
	"kms:reencryptonsamekey":                     single(reEncryptSame),
	"kms:rotationperiodindays":                   single(periodDays),
	"kms:bypasspolicylockoutsafetycheck":         single(bypassLockout),
	"kms:schedulekeydeletionpendingwindowindays": single(waitDays),
	"acm-pca:templatearn":                        single(templateARN),
	"holdfast:profile":                           single(profile),

	"secretsmanager:secretid":                   single(secretARN),
	"secretsmanager:name":                       single(secretName),
	"secretsmanager:description":                single(secretDescription),
	"secretsmanager:kmskeyid":                   single(secretKey),
	"secretsmanager:versionid":                  single(secretVersion),
	"secretsmanager:versionstage":               single(secretStage),
	"secretsmanager:recoverywindowindays":       single(waitDays),
	"secretsmanager:forcedeletewithoutrecovery": single(secretForced),
	"secretsmanager:blockpublicpolicy":          single(secretBlocks),
}

// namedKeys are the families of keys that have a name of the author's in them.
var namedKeys = map[string]func(name string) getter{
	"aws:principaltag/": principalTag,
	"aws:requesttag/":   requestTag,
	"aws:resourcetag/":  resourceTag,
	"iam:resourcetag/":  resourceTag,

	"secretsmanager:resourcetag/": resourceTag,
	"kms:encryptioncontext:":      contextValue,
}

// namespaces are those whose keys are accepted though no request has them.
var namespaces = map[string]bool{
	"aws": true, "kms": true, "acm-pca": true, "acm": true, "iam": true, "sts": true, "cloudtrail": true, "holdfast": true,
	"s3": true, "ec2": true, "lambda": true, "secretsmanager": true, "sns": true, "sqs": true, "cloudhsm": true, "saml": true,
}

// ConditionKey returns what a condition key asks for. Its case does not
// matter, nor that of a tag's or context's name in it.
func (vocabulary) ConditionKey(name string) (policy.ConditionKey, error) {
	lower := strings.ToLower(name)
	if k, ok := conditionKeys[lower]; ok {
		return k, nil
	}
	for prefix, family := range namedKeys {
		if strings.HasPrefix(lower, prefix) && len(lower) > len(prefix) {
			return policy.ConditionKey{Get: family(name[len(prefix):])}, nil
		}
	}
	if issuer, claim, ok := claimKey(lower); ok {
		return policy.ConditionKey{Get: claimOf(issuer, claim), Multivalued: severalClaims[claim]}, nil
	}
	namespace, rest, ok := strings.Cut(lower, ":")
	if !ok || rest == "" {
		return policy.ConditionKey{}, fmt.Errorf("%q is not a condition key: it has no service before a colon", name)
	}
	if !namespaces[namespace] {
		return policy.ConditionKey{}, fmt.Errorf("%q is not a condition key: there is no service %q", name, namespace)
	}
	return policy.ConditionKey{}, nil
}

// single makes a key of a function for the only value that a request can have.
func single(get func(r *policy.Request) (policy.Value, bool)) policy.ConditionKey {
	return policy.ConditionKey{Get: func(r *policy.Request, i int) (policy.Value, bool) {
		if i > 0 {
			return policy.Value{}, false
		}
		return get(r)
	}}
}

// present makes a value of a text that is empty when there is none.
func present(text string) (policy.Value, bool) { return policy.Text(text), text != "" }

// The keys about who asks.

// principalARN is the role's ARN for a session of the role, and none for
// services and the anonymous caller.
func principalARN(r *policy.Request) (policy.Value, bool) {
	p := r.Call.Caller.Principal
	switch p.Kind {
	case key.Session:
		p.Kind = key.Role
		p.Name, _ = cutLast(p.Name)
	case key.Root, key.User, key.Role:
	case key.Service, key.Federated, key.Anonymous:
		return policy.Value{}, false
	}
	return policy.Text(PrincipalARN(p)), true
}

func principalAccount(r *policy.Request) (policy.Value, bool) {
	switch p := r.Call.Caller.Principal; p.Kind {
	case key.Anonymous:
		return policy.Text("anonymous"), true
	case key.Service, key.Federated:
		return policy.Value{}, false
	case key.Root, key.User, key.Role, key.Session:
		return present(string(p.Realm))
	}
	return policy.Value{}, false
}

func principalType(r *policy.Request) (policy.Value, bool) {
	switch r.Call.Caller.Principal.Kind {
	case key.Root:
		return policy.Text("Account"), true
	case key.User:
		return policy.Text("User"), true
	case key.Role, key.Session:
		return policy.Text("AssumedRole"), true
	case key.Anonymous:
		return policy.Text("Anonymous"), true
	case key.Service, key.Federated:
	}
	return policy.Value{}, false
}

func isService(r *policy.Request) (policy.Value, bool) {
	return policy.Bool(r.Call.Caller.Principal.Kind == key.Service), true
}

func serviceName(r *policy.Request) (policy.Value, bool) {
	p := r.Call.Caller.Principal
	return policy.Text(ServiceName(p)), p.Kind == key.Service
}

// userID is the unique id; the root's is its account's id.
func userID(r *policy.Request) (policy.Value, bool) {
	c := &r.Call.Caller
	if c.UserID == "" && c.Principal.Kind == key.Root {
		return policy.Text(string(c.Principal.Realm)), true
	}
	return present(c.UserID)
}

// userName is a user's name without its path. Others have none.
func userName(r *policy.Request) (policy.Value, bool) {
	p := r.Call.Caller.Principal
	_, name := cutLast(p.Name)
	return policy.Text(name), p.Kind == key.User
}

// sourceARN is that of the authority for which the CA service asks.
func sourceARN(r *policy.Request) (policy.Value, bool) {
	p := r.Call.Caller.Principal
	id, ok := strings.CutPrefix(p.Name, "ca/")
	if p.Kind != key.Service || !ok {
		return policy.Value{}, false
	}
	return policy.Text(AuthorityARN(p.Realm, r.Call.Region, id)), true
}

func sourceAccount(r *policy.Request) (policy.Value, bool) {
	p := r.Call.Caller.Principal
	return policy.Text(string(p.Realm)), p.Kind == key.Service
}

// The keys about the session: long-lived credentials have none of them.

func mfaPresent(r *policy.Request) (policy.Value, bool) {
	c := &r.Call.Caller
	return policy.Bool(c.MFA), c.MFA || !c.AuthenticatedAt.IsZero()
}

func mfaAge(r *policy.Request) (policy.Value, bool) {
	c := &r.Call.Caller
	since := c.FactorAt
	if since.IsZero() {
		since = c.AuthenticatedAt
	}
	return policy.Number(r.Call.Time.Sub(since).Truncate(time.Second).Seconds()), c.MFA && !since.IsZero()
}

func tokenIssueTime(r *policy.Request) (policy.Value, bool) {
	at := r.Call.Caller.AuthenticatedAt
	return policy.Time(at), !at.IsZero()
}

// The keys about the request.

func sourceIP(r *policy.Request) (policy.Value, bool) {
	return policy.Address(r.Call.Source), r.Call.Source.IsValid()
}

func secureTransport(r *policy.Request) (policy.Value, bool) { return policy.Bool(r.Call.Secure), true }

func currentTime(r *policy.Request) (policy.Value, bool) { return policy.Time(r.Call.Time), true }

func userAgent(r *policy.Request) (policy.Value, bool) { return present(r.Call.UserAgent) }

func requestedRegion(r *policy.Request) (policy.Value, bool) { return present(r.Call.Region) }

// viaServices are the services as which the parts of Holdfast ask in their
// callers' names (key.Call.Via).
var viaServices = map[string]string{"secret": "secretsmanager"}

// viaService is always there.
func viaService(r *policy.Request) (policy.Value, bool) { return policy.Bool(r.Call.Via != ""), true }

// calledVia is the service principal, as which there is never more than one.
func calledVia(r *policy.Request) (policy.Value, bool) {
	name := viaServices[r.Call.Via]
	return policy.Text(name + ".amazonaws.com"), name != ""
}

// kmsVia is the service's name in a region.
func kmsVia(r *policy.Request) (policy.Value, bool) {
	name := viaServices[r.Call.Via]
	return policy.Text(name + "." + r.Call.Region + ".amazonaws.com"), name != ""
}
