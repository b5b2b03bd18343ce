package client

import (
	"time"

	"github.com/holdfast-kms/holdfast/internal/wire/native"
)

// The shapes of the API.
type (
	// Key is a key's metadata.
	Key = native.Key
	// KeyItem is a key in a listing. DescribeKey tells the rest.
	KeyItem = native.KeyItem
	// KeyList is a page of keys. Next is the marker of the next page, empty at
	// the end.
	KeyList = native.KeyList
	// Tag is a label of a key.
	Tag = native.Tag
	// Policy is a policy as its author wrote it.
	Policy = native.Policy
	// NamedPolicy is an identity policy of a user.
	NamedPolicy = native.NamedPolicy
	// Rotation is a key's rule for new versions.
	Rotation = native.Rotation
	// Version is a past rotation of a key: the version that it made.
	Version = native.Version
	// VersionList is a page of a key's rotations.
	VersionList = native.VersionList
	// PublicKey is the public half of a key's current version.
	PublicKey = native.PublicKey
	// Alias is another name of a key.
	Alias = native.Alias
	// AliasList is a page of aliases.
	AliasList = native.AliasList
	// CreateKeyRequest asks for a new key.
	CreateKeyRequest = native.CreateKeyRequest
	// ImportKeyRequest brings a key whose material is made already.
	ImportKeyRequest = native.ImportKeyRequest
	// ExportedKey is the material of an exportable key's current version.
	ExportedKey = native.ExportedKey
	// AdoptKeyRequest asks that a key which is on a token or in a provider already
	// be known here.
	AdoptKeyRequest = native.AdoptKeyRequest
	// ImportWrappedRequest brings a key encrypted under a key exchange key.
	ImportWrappedRequest = native.ImportWrappedRequest
	// WrappedKey is a key's material, encrypted.
	WrappedKey = native.WrappedKey
	// HSM is a token, or a group of tokens, in which keys can live.
	HSM = native.HSM
	// HSMInfo is what a token says of itself.
	HSMInfo = native.HSMInfo
	// HSMMechanism is something that a token can do.
	HSMMechanism = native.HSMMechanism
	// HSMObject is an object on a token.
	HSMObject = native.HSMObject
	// Provider is a key service in which keys can live.
	Provider = native.Provider
	// ProviderKind is a kind of key that a provider makes.
	ProviderKind = native.ProviderKind
	// ProviderKey is a key that is in a provider.
	ProviderKey = native.ProviderKey
	// ProviderKeyList is a page of them.
	ProviderKeyList = native.ProviderKeyList
	// TestProviderRequest asks that a provider be tried.
	TestProviderRequest = native.TestProviderRequest
	// ProviderTrial is what came of it.
	ProviderTrial = native.ProviderTrial
	// SignRequest asks for a signature over a message of at most 4,096 bytes, or
	// over a digest of any message.
	SignRequest = native.SignRequest
	// Signature is a signature: DER for ECDSA, else the scheme's own bytes.
	Signature = native.Signature
	// VerifyRequest asks whether a signature is right. A wrong one is a problem
	// of the kind bad-signature, never a false answer.
	VerifyRequest = native.VerifyRequest
	// Verified says that a signature or code is right.
	Verified = native.Verified
	// EncryptRequest asks for a ciphertext of at most 4,096 bytes.
	EncryptRequest = native.EncryptRequest
	// Ciphertext is an encryption.
	Ciphertext = native.Ciphertext
	// DecryptRequest asks for the plaintext of a ciphertext.
	DecryptRequest = native.DecryptRequest
	// Plaintext is a decryption.
	Plaintext = native.Plaintext
	// ReEncryptRequest asks for a ciphertext under another key or context,
	// without the plaintext ever leaving.
	ReEncryptRequest = native.ReEncryptRequest
	// DataKeyRequest asks for random bytes and their ciphertext.
	DataKeyRequest = native.DataKeyRequest
	// DataKey is a random key and its ciphertext.
	DataKey = native.DataKey
	// MACRequest asks for the code of a message of at most 4,096 bytes.
	MACRequest = native.MACRequest
	// MAC is a message authentication code.
	MAC = native.MAC
	// VerifyMACRequest asks whether a code is right; a wrong one is a problem of
	// the kind bad-signature.
	VerifyMACRequest = native.VerifyMACRequest
	// SharedSecretRequest asks for the secret that a key shares with the owner of
	// another one.
	SharedSecretRequest = native.SharedSecretRequest
	// SharedSecret is what two keys share, of which keys are made.
	SharedSecret = native.SharedSecret
	// User is an identity with access keys and policies.
	User = native.User
	// UserList is a page of users.
	UserList = native.UserList
	// AccessKey is a credential without its secret.
	AccessKey = native.AccessKey
	// NewAccessKey is a credential with its secret, which is shown only once.
	NewAccessKey = native.NewAccessKey
	// PutClientCertificateRequest lets certificates of TLS clients prove a user.
	PutClientCertificateRequest = native.PutClientCertificateRequest
	// ClientCertificate says which certificates of TLS clients prove a user.
	ClientCertificate = native.ClientCertificate //nolint:revive // it is the certificate of a TLS client, and no Certificate
	// Session is temporary credentials, shown only once.
	Session = native.Session
	// CreateSessionRequest asks for temporary credentials of the caller.
	CreateSessionRequest = native.CreateSessionRequest
	// Role is what others assume for a while, to act by its policies.
	Role = native.Role
	// RoleList is a page of roles.
	RoleList = native.RoleList
	// CreateRoleRequest asks for a new role.
	CreateRoleRequest = native.CreateRoleRequest
	// UpdateRoleRequest changes what a role says of itself; what is nil stays.
	UpdateRoleRequest = native.UpdateRoleRequest
	// AssumeRoleRequest asks for a session of a role.
	AssumeRoleRequest = native.AssumeRoleRequest
	// Issuer is somebody whose tokens prove who web identities are.
	Issuer = native.Issuer
	// IssuerSettings say which tokens of an issuer count.
	IssuerSettings = native.IssuerSettings
	// IssuerList is a page of issuers.
	IssuerList = native.IssuerList
	// CreateIssuerRequest registers an issuer.
	CreateIssuerRequest = native.CreateIssuerRequest
	// Factor is what shows a user's one-time codes.
	Factor = native.Factor
	// NewFactor is a second factor with its secret, which is shown only once.
	NewFactor = native.NewFactor
	// Identity is who the caller is.
	Identity = native.Identity
	// Subject is a distinguished name (RFC 5280 section 4.1.2.4).
	Subject = native.Subject
	// Names are a certificate's subject alternative names (RFC 5280 section 4.2.1.6).
	Names = native.Names
	// CreateAuthorityRequest asks for a new certificate authority.
	CreateAuthorityRequest = native.CreateAuthorityRequest
	// Authority is a certificate authority.
	Authority = native.Authority
	// NameConstraints are what certificates below an authority may be for.
	NameConstraints = native.NameConstraints
	// Subtrees are names and those below them.
	Subtrees = native.Subtrees
	// Revocation says how an authority publishes which of its certificates are
	// revoked.
	Revocation = native.Revocation
	// CRLSettings say what CRLs an authority makes, and where they go.
	CRLSettings = native.CRLSettings
	// OCSPSettings say whether an authority answers OCSP requests.
	OCSPSettings = native.OCSPSettings
	// UpdateAuthorityRequest changes an authority. What is absent stays.
	UpdateAuthorityRequest = native.UpdateAuthorityRequest
	// ImportAuthorityRequest gives an authority its certificate.
	ImportAuthorityRequest = native.ImportAuthorityRequest
	// RenewAuthorityRequest asks for a new certificate for an authority's key.
	RenewAuthorityRequest = native.RenewAuthorityRequest
	// RekeyAuthorityRequest asks for a successor of an authority, with a new key.
	RekeyAuthorityRequest = native.RekeyAuthorityRequest
	// CrossSignRequest asks an authority to certify another one.
	CrossSignRequest = native.CrossSignRequest
	// Permission lets a service use an authority.
	Permission = native.Permission
	// AuthorityList is a page of authorities.
	AuthorityList = native.AuthorityList
	// IssueRequest asks for a certificate: for the key of a CSR, for a managed
	// key, or for a managed key that is made for it.
	IssueRequest = native.IssueRequest
	// Attribute is an attribute of a distinguished name, or an other name.
	Attribute = native.Attribute
	// Extensions are what a request adds to a certificate where its profile lets
	// it.
	Extensions = native.Extensions
	// PolicyInformation is a certificate policy.
	PolicyInformation = native.PolicyInformation
	// Extension is an extension of a certificate.
	Extension = native.Extension
	// Certificate is an issued certificate.
	Certificate = native.Certificate
	// IssuedCertificate is a new certificate with its issuers.
	IssuedCertificate = native.IssuedCertificate
	// CertificateList is a page of certificates.
	CertificateList = native.CertificateList
	// RevokeWithProofRequest asks that a certificate be revoked by whoever has
	// its private key.
	RevokeWithProofRequest = native.RevokeWithProofRequest
	// InventoryItem is a certificate of the inventory.
	InventoryItem = native.InventoryItem
	// InventoryList is a page of the inventory.
	InventoryList = native.InventoryList
	// Place is where a certificate was seen.
	Place = native.Place
	// Sighting is certificates that were seen together.
	Sighting = native.Sighting
	// Registration is what came of registering certificates.
	Registration = native.Registration
	// InventoryProblem is something wrong with a certificate, or with a place
	// where it is in use.
	InventoryProblem = native.InventoryProblem
	// ExpiringCount counts the certificates that end within so many days.
	ExpiringCount = native.ExpiringCount
	// Managed is a managed certificate.
	Managed = native.Managed
	// ManagedRenewal is an attempt to renew a managed certificate.
	ManagedRenewal = native.ManagedRenewal
	// ManagedList is a page of managed certificates.
	ManagedList = native.ManagedList
	// CreateSecretRequest asks for a new secret.
	CreateSecretRequest = native.CreateSecretRequest
	// CreateTopicRequest asks for a topic.
	CreateTopicRequest = native.CreateTopicRequest
	// Topic is what messages are published on.
	Topic = native.Topic
	// TopicList is a page of topics.
	TopicList = native.TopicList
	// SubscriptionCounts is how many subscriptions a topic has.
	SubscriptionCounts = native.SubscriptionCounts
	// Subscription is who gets a topic's messages.
	Subscription = native.Subscription
	// SubscriptionList is a page of subscriptions.
	SubscriptionList = native.SubscriptionList
	// PublishRequest publishes a message.
	PublishRequest = native.PublishRequest
	// Published is a message that was published.
	Published = native.Published
	// FailedDelivery is a message that a subscription did not get.
	FailedDelivery = native.FailedDelivery
	// FailedDeliveryList is a page of the deliveries that were given up.
	FailedDeliveryList = native.FailedDeliveryList

	// Secret is a secret without its values.
	Secret = native.Secret
	// SecretVersion is a value that a secret has or had, without the value.
	SecretVersion = native.SecretVersion
	// SecretList is a page of secrets.
	SecretList = native.SecretList
	// SecretValue is a value of a secret.
	SecretValue = native.SecretValue
	// SecretDeletion is a secret that is deleted.
	SecretDeletion = native.SecretDeletion
	// RequestManagedRequest asks for a managed certificate.
	RequestManagedRequest = native.RequestManagedRequest
	// UpdateManagedRequest changes how a managed certificate is renewed.
	UpdateManagedRequest = native.UpdateManagedRequest
	// RenewalRule says when a managed certificate is renewed, and how.
	RenewalRule = native.RenewalRule
	// ImportManagedRequest brings a certificate with its key.
	ImportManagedRequest = native.ImportManagedRequest
	// ExportedManaged is a managed certificate with its key.
	ExportedManaged = native.ExportedManaged
	// DeploymentReport is what an agent says of a certificate on its host.
	DeploymentReport = native.DeploymentReport
	// Deployment is the latest report of a certificate on a host.
	Deployment = native.Deployment
	// DeploymentList is a page of deployments.
	DeploymentList = native.DeploymentList
	// AuditSink is where the audit log is sent.
	AuditSink = native.AuditSink
	// AuditHold keeps the audit log of a time, however old it gets.
	AuditHold = native.AuditHold
	// AddAuditHoldRequest asks for a hold.
	AddAuditHoldRequest = native.AddAuditHoldRequest
	// Approval is a request for the approval of a critical operation.
	Approval = native.Approval
	// ApprovalDecision is what somebody said to a request for approval.
	ApprovalDecision = native.ApprovalDecision
	// ApprovalList is a page of requests for approval.
	ApprovalList = native.ApprovalList
	// ApprovalRule is a rule that makes operations critical ones.
	ApprovalRule = native.ApprovalRule
	// Notice is a message to one receiver about what happened.
	Notice = native.Notice
	// NoticeEvent is something that happened.
	NoticeEvent = native.NoticeEvent
	// NoticeList is a page of notices.
	NoticeList = native.NoticeList
	// NoticeChannel is a way to tell somebody.
	NoticeChannel = native.NoticeChannel
	// NoticeTrial is what came of a channel's test.
	NoticeTrial = native.NoticeTrial
	// Alarm is a rule about a metric, and how the metric stands to it.
	Alarm = native.Alarm
	// Metric names figures.
	Metric = native.Metric
	// ComplianceReport is what is wrong with how keys and certificates are kept.
	ComplianceReport = native.ComplianceReport
	// ComplianceFinding is a rule that a resource breaks.
	ComplianceFinding = native.ComplianceFinding
	// AlarmList is a page of alarms.
	AlarmList = native.AlarmList
	// RotationRule says which keys get new material, and how often.
	RotationRule = native.RotationRule
	// PutRotationRuleRequest makes or changes a rule of rotation.
	PutRotationRuleRequest = native.PutRotationRuleRequest
	// RotationRuleList is all rules of rotation of a realm.
	RotationRuleList = native.RotationRuleList
	// RotationPlan is a page of what will happen to the keys of a realm.
	RotationPlan = native.RotationPlan
	// PlannedKey is what will happen to a key.
	PlannedKey = native.PlannedKey
	// PlannedStep is one thing that will happen to it.
	PlannedStep = native.PlannedStep
	// Profile is a kind of certificate that authorities issue.
	Profile = native.Profile
	// AuditRecord is an entry of the audit log.
	AuditRecord = native.AuditRecord
	// AuditDetail is a named fact of an entry.
	AuditDetail = native.AuditDetail
	// AuditFilter says which entries are wanted. Zero fields want everything. It
	// travels as query parameters.
	AuditFilter = native.AuditFilter
	// AuditList is a page of entries in the order of the log. Next is what After
	// of the next page is, empty at the end of the log.
	AuditList = native.AuditList
	// ServerVersion is the server's version.
	ServerVersion = native.ServerVersion
)

// Page asks for a part of a listing: at most Limit entries after After, which
// is the Next of the page before. The zero Page is the first one, of the
// server's size.
type Page struct {
	After string
	Limit int
}

// CertificateFilter chooses certificates of a listing. A zero field asks for
// nothing.
type CertificateFilter struct {
	// Authority is the issuer's id or name.
	Authority string
	// Text is a part of the subject or of a name.
	Text string
	// State is "valid", "expired", "revoked" or "held".
	State string
	// ExpiresBefore wants certificates that end before it.
	ExpiresBefore time.Time
}

// CRLPart chooses one of an authority's CRLs. The zero CRLPart is the complete
// one.
type CRLPart struct {
	// Shard is the number of a shard, of an authority that has several.
	Shard string
	// Delta chooses the delta CRL.
	Delta bool
}

// InventoryFilter chooses certificates of the inventory. A zero field asks for
// nothing.
type InventoryFilter struct {
	// Authority is the issuer's id or name, Origin "issued" or "foreign".
	Authority, Origin string
	// Place is the beginning of the address of a place where foreign
	// certificates were seen, such as "db.example.com:".
	Place string
	// Serial is a whole serial number in hex, Key the SHA-256 of a public key
	// (SubjectPublicKeyInfo) in hex.
	Serial, Key string
	// Subject is a part of the subject, Text one of the subject or of a name.
	Subject, Text string
	// Name is a whole name, everything below a domain (".example.com"), or a
	// pattern with "*".
	Name string
	// Profile and Requester are whole.
	Profile, Requester string
	// State is "valid", "expired", "revoked" or "held".
	State string
	// The bounds of times.
	ExpiresAfter, ExpiresBefore, IssuedAfter, IssuedBefore time.Time
}

// ManagedFilter chooses managed certificates. A zero field asks for nothing.
type ManagedFilter struct {
	// State is "issued", "expired", "revoked" or "failed".
	State string
}

// AlarmFilter chooses alarms. A zero field asks for nothing.
type AlarmFilter struct {
	// Name is what the names begin with, State is such as "alarm".
	Name, State string
}

// DeploymentFilter chooses deployments. A zero field asks for nothing.
type DeploymentFilter struct {
	// Host is the whole name of a host, Managed a managed certificate's id.
	Host, Managed string
	// Outcome is such as "rolled-back".
	Outcome string
}

// SecretFilter chooses secrets. A zero field asks for nothing.
type SecretFilter struct {
	// Name is the beginning of the names.
	Name string
	// Deleted wants those that are deleted, too.
	Deleted bool
}
