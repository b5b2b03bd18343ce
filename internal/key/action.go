package key

import "fmt"

// Action is what a caller wants to do: the closed set that every API's
// operations and every policy's action names map to.
type Action uint8

// The actions. Their order is part of no format: policies and the audit log
// use names.
const (
	NoAction Action = iota

	// Keys.

	CreateKey
	DescribeKey
	ListKeys
	EnableKey
	DisableKey
	ScheduleKeyDeletion
	CancelKeyDeletion
	UpdateKeyDescription
	CreateAlias
	UpdateAlias
	DeleteAlias
	ListAliases
	PutKeyPolicy
	GetKeyPolicy
	ListKeyPolicies
	TagResource
	UntagResource
	ListResourceTags
	EnableKeyRotation
	DisableKeyRotation
	GetKeyRotationStatus
	RotateKeyOnDemand
	ListKeyRotations
	CreateGrant
	ImportKey
	ExportKey
	AdoptKey
	UnwrapKey // on the key exchange key that other keys come in under
	GetImportParameters
	ImportKeyMaterial
	DeleteKeyMaterial

	// Custom key stores, and the hardware that is under them.

	CreateKeyStore
	DescribeKeyStores
	UpdateKeyStore
	DeleteKeyStore
	ConnectKeyStore
	DisconnectKeyStore
	CreateCluster
	DescribeClusters
	ModifyCluster
	DeleteCluster
	InitializeCluster
	CreateHSM
	DeleteHSM
	DescribeBackups
	CopyBackup
	ModifyBackup
	DeleteBackup
	RestoreBackup
	TagCluster
	UntagCluster
	ListClusterTags
	PutClusterPolicy
	GetClusterPolicy
	DeleteClusterPolicy
	ListTokens
	ListTokenObjects
	ListProviders
	ListProviderKeys
	TestProvider

	// Using keys.

	Encrypt
	Decrypt
	ReEncryptFrom
	ReEncryptTo
	GenerateDataKey
	GenerateDataKeyWithoutPlaintext
	GenerateRandom
	Sign
	Verify
	GetPublicKey
	GenerateMAC
	VerifyMAC
	DeriveSharedSecret

	// Authorities and certificates.

	CreateAuthority
	DescribeAuthority
	ListAuthorities
	UpdateAuthority
	DeleteAuthority
	IssueCertificate
	GetCertificate
	ListCertificates
	RevokeCertificate
	GetCRL
	GetAuthorityCSR
	GetAuthorityCertificate
	ImportAuthorityCertificate
	RestoreAuthority
	RenewAuthority
	RekeyAuthority
	TagAuthority
	UntagAuthority
	ListAuthorityTags
	PutAuthorityPolicy
	GetAuthorityPolicy
	DeleteAuthorityPolicy
	CreatePermission
	DeletePermission
	ListPermissions
	CreateAuditReport
	DescribeAuditReport
	RegisterCertificate
	ForgetCertificate
	PutProfile
	GetProfile
	ListProfiles
	DeleteProfile

	// Managed certificates: a key that Holdfast keeps, and the certificate
	// that it has at the time.

	RequestManaged
	DescribeManaged
	ListManaged
	GetManaged
	ExportManaged
	ImportManaged
	RenewManaged
	RevokeManaged
	DeleteManaged
	TagManaged
	UntagManaged
	ListManagedTags
	UpdateManaged
	GetManagedSettings
	PutManagedSettings

	// Identities.

	CreateUser
	GetUser
	ListUsers
	DeleteUser
	PutUserPolicy
	DeleteUserPolicy
	CreateAccessKey
	UpdateAccessKey
	DeleteAccessKey
	CreateSession
	GetCallerIdentity

	// Roles, other people's issuers of tokens, and second factors.

	CreateRole
	GetRole
	ListRoles
	DeleteRole
	PutRolePolicy
	DeleteRolePolicy
	PutTrustPolicy
	UpdateRole
	AssumeRole
	AssumeRoleWithWebIdentity
	TagSession
	SetSourceIdentity
	GetAccessKeyInfo
	CreateIssuer
	GetIssuer
	ListIssuers
	UpdateIssuer
	DeleteIssuer
	EnrolFactor
	ListFactors
	RemoveFactor
	PutClientCertificate
	DeleteClientCertificate

	// Critical operations that a second person approves.

	RequestApproval
	DecideApproval
	ListApprovals
	CancelApproval

	// Secrets: values sealed by a key.

	CreateSecret
	DescribeSecret
	ListSecrets
	GetSecretValue
	BatchGetSecretValue
	PutSecretValue
	UpdateSecret
	UpdateSecretStage
	ListSecretVersions
	DeleteSecret
	RestoreSecret
	TagSecret
	UntagSecret
	PutSecretPolicy
	GetSecretPolicy
	DeleteSecretPolicy
	GetRandomPassword

	// Topics, and who gets what is published on them.

	CreateTopic
	DeleteTopic
	ListTopics
	GetTopic
	SetTopic
	Publish
	Subscribe
	ConfirmSubscription
	Unsubscribe
	ListSubscriptions
	ListTopicSubscriptions
	GetSubscription
	SetSubscription
	TagTopic
	UntagTopic
	ListTopicTags

	// Trails: what of the audit log is looked at as AWS CloudTrail.

	CreateTrail
	UpdateTrail
	DeleteTrail
	GetTrail
	DescribeTrails
	ListTrails
	GetTrailStatus
	StartLogging
	StopLogging
	GetEventSelectors
	PutEventSelectors
	TagTrail
	UntagTrail
	ListTrailTags

	// Metrics and alarms.

	PutAlarm
	DescribeAlarms
	DeleteAlarms
	SetAlarmState
	EnableAlarmActions
	DisableAlarmActions
	DescribeAlarmHistory
	TagAlarm
	UntagAlarm
	ListAlarmTags
	GetMetricData
	GetMetricStatistics
	ListMetrics

	// Functions that Holdfast brings, and governance.

	InvokeFunction
	ListFunctions
	GetFunction
	GetRotationPlan
	PutRotationRule
	DeleteRotationRule
	ListNotices
	RetryNotice
	TestNotice
	CheckCompliance
	ListDeployments
	ReportDeployment
	HoldAudit
	ListSinks
	// RetireAudit is what the clock does to files of the audit log that are old
	// enough; nobody asks for it.
	RetireAudit

	// The server itself.

	ReadAudit
	ResetServer
	UnsealServer
	ChangeSeal
	ExportRootKey // into a recovery package
	RestoreServer

	lastAction
)

var actionNames = [lastAction]string{ //nolint:gosec // names of actions, no credentials
	CreateKey: "key:Create", DescribeKey: "key:Describe", ListKeys: "key:List", EnableKey: "key:Enable",
	DisableKey: "key:Disable", ScheduleKeyDeletion: "key:ScheduleDeletion", CancelKeyDeletion: "key:CancelDeletion",
	UpdateKeyDescription: "key:UpdateDescription", CreateAlias: "alias:Create", UpdateAlias: "alias:Update",
	DeleteAlias: "alias:Delete", ListAliases: "alias:List", PutKeyPolicy: "key:PutPolicy", GetKeyPolicy: "key:GetPolicy",
	ListKeyPolicies: "key:ListPolicies", TagResource: "key:Tag", UntagResource: "key:Untag", ListResourceTags: "key:ListTags",
	EnableKeyRotation: "key:EnableRotation", DisableKeyRotation: "key:DisableRotation",
	GetKeyRotationStatus: "key:GetRotation", RotateKeyOnDemand: "key:Rotate", ListKeyRotations: "key:ListRotations",
	CreateGrant: "key:CreateGrant", ImportKey: "key:Import", ExportKey: "key:Export",
	AdoptKey: "key:Adopt", UnwrapKey: "key:Unwrap", GetImportParameters: "key:GetImportParameters",
	ImportKeyMaterial: "key:ImportMaterial", DeleteKeyMaterial: "key:DeleteMaterial",
	CreateKeyStore: "keystore:Create", DescribeKeyStores: "keystore:Describe", UpdateKeyStore: "keystore:Update",
	DeleteKeyStore: "keystore:Delete", ConnectKeyStore: "keystore:Connect", DisconnectKeyStore: "keystore:Disconnect",
	CreateCluster: "cluster:Create", DescribeClusters: "cluster:Describe", ModifyCluster: "cluster:Modify",
	DeleteCluster: "cluster:Delete", InitializeCluster: "cluster:Initialize", CreateHSM: "cluster:CreateHSM",
	DeleteHSM: "cluster:DeleteHSM", DescribeBackups: "backup:Describe", CopyBackup: "backup:Copy", ModifyBackup: "backup:Modify",
	DeleteBackup: "backup:Delete", RestoreBackup: "backup:Restore", TagCluster: "cluster:Tag", UntagCluster: "cluster:Untag",
	ListClusterTags: "cluster:ListTags", PutClusterPolicy: "cluster:PutPolicy", GetClusterPolicy: "cluster:GetPolicy",
	DeleteClusterPolicy: "cluster:DeletePolicy", ListTokens: "hsm:List", ListTokenObjects: "hsm:ListObjects",
	ListProviders: "provider:List", ListProviderKeys: "provider:ListKeys", TestProvider: "provider:Test",
	Encrypt: "key:Encrypt", Decrypt: "key:Decrypt", ReEncryptFrom: "key:ReEncryptFrom", ReEncryptTo: "key:ReEncryptTo",
	GenerateDataKey: "key:GenerateDataKey", GenerateDataKeyWithoutPlaintext: "key:GenerateDataKeyWithoutPlaintext",
	GenerateRandom: "random:Generate", Sign: "key:Sign", Verify: "key:Verify", GetPublicKey: "key:GetPublicKey",
	GenerateMAC: "key:GenerateMAC", VerifyMAC: "key:VerifyMAC", DeriveSharedSecret: "key:DeriveSharedSecret",
	CreateAuthority: "ca:Create", DescribeAuthority: "ca:Describe", ListAuthorities: "ca:List", UpdateAuthority: "ca:Update",
	DeleteAuthority: "ca:Delete", IssueCertificate: "ca:Issue", GetCertificate: "ca:GetCertificate",
	ListCertificates: "ca:ListCertificates", RevokeCertificate: "ca:Revoke", GetCRL: "ca:GetCRL",
	GetAuthorityCSR: "ca:GetCSR", GetAuthorityCertificate: "ca:GetAuthorityCertificate",
	ImportAuthorityCertificate: "ca:ImportCertificate", RestoreAuthority: "ca:Restore",
	RenewAuthority: "ca:Renew", RekeyAuthority: "ca:Rekey",
	TagAuthority: "ca:Tag", UntagAuthority: "ca:Untag", ListAuthorityTags: "ca:ListTags",
	PutAuthorityPolicy: "ca:PutPolicy", GetAuthorityPolicy: "ca:GetPolicy", DeleteAuthorityPolicy: "ca:DeletePolicy",
	CreatePermission: "ca:CreatePermission", DeletePermission: "ca:DeletePermission", ListPermissions: "ca:ListPermissions",
	CreateAuditReport: "ca:CreateAuditReport", DescribeAuditReport: "ca:DescribeAuditReport",
	RegisterCertificate: "inventory:Register", ForgetCertificate: "inventory:Forget",
	PutProfile: "profile:Put", GetProfile: "profile:Get", ListProfiles: "profile:List", DeleteProfile: "profile:Delete",
	RequestManaged: "managed:Request", DescribeManaged: "managed:Describe", ListManaged: "managed:List",
	GetManaged: "managed:Get", ExportManaged: "managed:Export", ImportManaged: "managed:Import",
	RenewManaged: "managed:Renew", RevokeManaged: "managed:Revoke", DeleteManaged: "managed:Delete",
	TagManaged: "managed:Tag", UntagManaged: "managed:Untag", ListManagedTags: "managed:ListTags",
	UpdateManaged: "managed:Update", GetManagedSettings: "managed:GetSettings", PutManagedSettings: "managed:PutSettings",
	CreateUser: "identity:CreateUser", GetUser: "identity:GetUser", ListUsers: "identity:ListUsers",
	DeleteUser: "identity:DeleteUser", PutUserPolicy: "identity:PutUserPolicy", DeleteUserPolicy: "identity:DeleteUserPolicy",
	CreateAccessKey: "identity:CreateAccessKey", UpdateAccessKey: "identity:UpdateAccessKey",
	DeleteAccessKey: "identity:DeleteAccessKey", CreateSession: "identity:CreateSession",
	GetCallerIdentity: "identity:GetCaller", ReadAudit: "audit:Read", ResetServer: "server:Reset",
	UnsealServer: "server:Unseal", ChangeSeal: "server:ChangeSeal", ExportRootKey: "server:ExportRootKey", RestoreServer: "server:Restore",
	CreateRole: "identity:CreateRole", GetRole: "identity:GetRole", ListRoles: "identity:ListRoles", DeleteRole: "identity:DeleteRole", PutRolePolicy: "identity:PutRolePolicy", DeleteRolePolicy: "identity:DeleteRolePolicy", PutTrustPolicy: "identity:PutTrustPolicy", UpdateRole: "identity:UpdateRole", AssumeRole: "identity:AssumeRole", TagSession: "identity:TagSession", SetSourceIdentity: "identity:SetSourceIdentity", GetAccessKeyInfo: "identity:GetAccessKeyInfo", GetIssuer: "identity:GetIssuer", UpdateIssuer: "identity:UpdateIssuer", AssumeRoleWithWebIdentity: "identity:AssumeRoleWithWebIdentity", CreateIssuer: "identity:CreateIssuer", ListIssuers: "identity:ListIssuers", DeleteIssuer: "identity:DeleteIssuer", EnrolFactor: "identity:EnrolFactor", ListFactors: "identity:ListFactors", RemoveFactor: "identity:RemoveFactor", PutClientCertificate: "identity:PutClientCertificate", DeleteClientCertificate: "identity:DeleteClientCertificate",
	RequestApproval: "approval:Request", DecideApproval: "approval:Decide", ListApprovals: "approval:List", CancelApproval: "approval:Cancel",
	CreateSecret: "secret:Create", DescribeSecret: "secret:Describe", ListSecrets: "secret:List", GetSecretValue: "secret:GetValue", BatchGetSecretValue: "secret:BatchGetValue", PutSecretValue: "secret:PutValue", UpdateSecret: "secret:Update", UpdateSecretStage: "secret:UpdateStage", ListSecretVersions: "secret:ListVersions", DeleteSecret: "secret:Delete", RestoreSecret: "secret:Restore", TagSecret: "secret:Tag", UntagSecret: "secret:Untag", PutSecretPolicy: "secret:PutPolicy", GetSecretPolicy: "secret:GetPolicy", DeleteSecretPolicy: "secret:DeletePolicy", GetRandomPassword: "random:Password",
	CreateTopic: "topic:Create", DeleteTopic: "topic:Delete", ListTopics: "topic:List", GetTopic: "topic:Get", SetTopic: "topic:Set", Publish: "topic:Publish", Subscribe: "topic:Subscribe", ConfirmSubscription: "topic:ConfirmSubscription", Unsubscribe: "topic:Unsubscribe", ListSubscriptions: "topic:ListSubscriptions", ListTopicSubscriptions: "topic:ListTopicSubscriptions", GetSubscription: "topic:GetSubscription", SetSubscription: "topic:SetSubscription", TagTopic: "topic:Tag", UntagTopic: "topic:Untag", ListTopicTags: "topic:ListTags",
	CreateTrail: "trail:Create", UpdateTrail: "trail:Update", DeleteTrail: "trail:Delete", GetTrail: "trail:Get", DescribeTrails: "trail:Describe", ListTrails: "trail:List", GetTrailStatus: "trail:GetStatus", StartLogging: "trail:Start", StopLogging: "trail:Stop", GetEventSelectors: "trail:GetSelectors", PutEventSelectors: "trail:PutSelectors", TagTrail: "trail:Tag", UntagTrail: "trail:Untag", ListTrailTags: "trail:ListTags",
	PutAlarm: "alarm:Put", DescribeAlarms: "alarm:Describe", DeleteAlarms: "alarm:Delete", SetAlarmState: "alarm:SetState", EnableAlarmActions: "alarm:EnableActions", DisableAlarmActions: "alarm:DisableActions", DescribeAlarmHistory: "alarm:DescribeHistory", TagAlarm: "alarm:Tag", UntagAlarm: "alarm:Untag", ListAlarmTags: "alarm:ListTags", GetMetricData: "metric:GetData", GetMetricStatistics: "metric:GetStatistics", ListMetrics: "metric:List",
	InvokeFunction: "function:Invoke", ListFunctions: "function:List", GetFunction: "function:Get", GetRotationPlan: "rotation:Plan", PutRotationRule: "rotation:PutRule", DeleteRotationRule: "rotation:DeleteRule", ListNotices: "notice:List", RetryNotice: "notice:Retry", TestNotice: "notice:Test", CheckCompliance: "compliance:Check", ListDeployments: "deployment:List", ReportDeployment: "deployment:Report", HoldAudit: "audit:Hold", ListSinks: "audit:ListSinks", RetireAudit: "audit:Retire",
}

// String returns the action's canonical name, such as "key:Sign".
func (a Action) String() string {
	if a < lastAction {
		return actionNames[a]
	}
	return fmt.Sprintf("action %d", uint8(a))
}

// Actions returns every action.
func Actions() []Action {
	list := make([]Action, 0, lastAction)
	for a := NoAction + 1; a < lastAction; a++ {
		list = append(list, a)
	}
	return list
}

// AnyState reports whether the action is allowed on a key in every state:
// what reads metadata, and what an owner needs to undo a mistake ("Key states
// of AWS KMS keys", AWS KMS Developer Guide).
func (a Action) AnyState() bool {
	switch a {
	case DescribeKey, GetKeyPolicy, PutKeyPolicy, ListKeyPolicies, ListResourceTags, GetKeyRotationStatus,
		ListKeyRotations, DeleteAlias, CancelKeyDeletion, DeleteKeyMaterial:
		return true
	default:
		return false
	}
}

// ActionSet is a set of actions as bits.
type ActionSet [(int(lastAction) + 63) / 64]uint64

// Add puts actions into the set.
func (s *ActionSet) Add(actions ...Action) {
	for _, a := range actions {
		s[a/64] |= 1 << (a % 64)
	}
}

// Has reports whether the action is in the set.
func (s *ActionSet) Has(a Action) bool { return a < lastAction && s[a/64]&(1<<(a%64)) != 0 }

// Complement returns all actions that are not in the set.
func (s *ActionSet) Complement() ActionSet {
	var out ActionSet
	for a := NoAction + 1; a < lastAction; a++ {
		if !s.Has(a) {
			out.Add(a)
		}
	}
	return out
}
