package aws

import (
	"fmt"
	"strings"

	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/policy"
)

// actionNames are the IAM names of the actions ("Actions, resources, and
// condition keys" of each service, Service Authorization Reference). What AWS
// has no word for is in the namespace holdfast.
var actionNames = map[key.Action]string{
	key.CreateKey:                       "kms:CreateKey",
	key.DescribeKey:                     "kms:DescribeKey",
	key.ListKeys:                        "kms:ListKeys",
	key.EnableKey:                       "kms:EnableKey",
	key.DisableKey:                      "kms:DisableKey",
	key.ScheduleKeyDeletion:             "kms:ScheduleKeyDeletion",
	key.CancelKeyDeletion:               "kms:CancelKeyDeletion",
	key.UpdateKeyDescription:            "kms:UpdateKeyDescription",
	key.CreateAlias:                     "kms:CreateAlias",
	key.UpdateAlias:                     "kms:UpdateAlias",
	key.DeleteAlias:                     "kms:DeleteAlias",
	key.ListAliases:                     "kms:ListAliases",
	key.PutKeyPolicy:                    "kms:PutKeyPolicy",
	key.GetKeyPolicy:                    "kms:GetKeyPolicy",
	key.ListKeyPolicies:                 "kms:ListKeyPolicies",
	key.TagResource:                     "kms:TagResource",
	key.UntagResource:                   "kms:UntagResource",
	key.ListResourceTags:                "kms:ListResourceTags",
	key.EnableKeyRotation:               "kms:EnableKeyRotation",
	key.DisableKeyRotation:              "kms:DisableKeyRotation",
	key.GetKeyRotationStatus:            "kms:GetKeyRotationStatus",
	key.RotateKeyOnDemand:               "kms:RotateKeyOnDemand",
	key.ListKeyRotations:                "kms:ListKeyRotations",
	key.CreateGrant:                     "kms:CreateGrant",
	key.Encrypt:                         "kms:Encrypt",
	key.Decrypt:                         "kms:Decrypt",
	key.ReEncryptFrom:                   "kms:ReEncryptFrom",
	key.ReEncryptTo:                     "kms:ReEncryptTo",
	key.GenerateDataKey:                 "kms:GenerateDataKey",
	key.GenerateDataKeyWithoutPlaintext: "kms:GenerateDataKeyWithoutPlaintext",
	key.GenerateRandom:                  "kms:GenerateRandom",
	key.Sign:                            "kms:Sign",
	key.Verify:                          "kms:Verify",
	key.GetPublicKey:                    "kms:GetPublicKey",
	key.GenerateMAC:                     "kms:GenerateMac",
	key.VerifyMAC:                       "kms:VerifyMac",
	key.DeriveSharedSecret:              "kms:DeriveSharedSecret",
	key.CreateAuthority:                 "acm-pca:CreateCertificateAuthority",
	key.DescribeAuthority:               "acm-pca:DescribeCertificateAuthority",
	key.ListAuthorities:                 "acm-pca:ListCertificateAuthorities",
	key.UpdateAuthority:                 "acm-pca:UpdateCertificateAuthority",
	key.DeleteAuthority:                 "acm-pca:DeleteCertificateAuthority",
	key.IssueCertificate:                "acm-pca:IssueCertificate",
	key.GetCertificate:                  "acm-pca:GetCertificate",
	key.ListCertificates:                "holdfast:ListCertificates",
	key.RevokeCertificate:               "acm-pca:RevokeCertificate",
	key.GetCRL:                          "holdfast:GetCRL",
	key.ImportKey:                       "holdfast:ImportKey",
	key.AdoptKey:                        "holdfast:AdoptKey",
	key.UnwrapKey:                       "kms:UnwrapKey", // AWS has no such action; a key policy that allows kms:* means it too
	key.GetImportParameters:             "kms:GetParametersForImport",
	key.ImportKeyMaterial:               "kms:ImportKeyMaterial",
	key.DeleteKeyMaterial:               "kms:DeleteImportedKeyMaterial",
	key.CreateKeyStore:                  "kms:CreateCustomKeyStore",
	key.DescribeKeyStores:               "kms:DescribeCustomKeyStores",
	key.UpdateKeyStore:                  "kms:UpdateCustomKeyStore",
	key.DeleteKeyStore:                  "kms:DeleteCustomKeyStore",
	key.ConnectKeyStore:                 "kms:ConnectCustomKeyStore",
	key.DisconnectKeyStore:              "kms:DisconnectCustomKeyStore",
	key.CreateCluster:                   "cloudhsm:CreateCluster",
	key.DescribeClusters:                "cloudhsm:DescribeClusters",
	key.ModifyCluster:                   "cloudhsm:ModifyCluster",
	key.DeleteCluster:                   "cloudhsm:DeleteCluster",
	key.InitializeCluster:               "cloudhsm:InitializeCluster",
	key.CreateHSM:                       "cloudhsm:CreateHsm",
	key.DeleteHSM:                       "cloudhsm:DeleteHsm",
	key.DescribeBackups:                 "cloudhsm:DescribeBackups",
	key.CopyBackup:                      "cloudhsm:CopyBackupToRegion",
	key.ModifyBackup:                    "cloudhsm:ModifyBackupAttributes",
	key.DeleteBackup:                    "cloudhsm:DeleteBackup",
	key.RestoreBackup:                   "cloudhsm:RestoreBackup",
	key.TagCluster:                      "cloudhsm:TagResource",
	key.UntagCluster:                    "cloudhsm:UntagResource",
	key.ListClusterTags:                 "cloudhsm:ListTags",
	key.PutClusterPolicy:                "cloudhsm:PutResourcePolicy",
	key.GetClusterPolicy:                "cloudhsm:GetResourcePolicy",
	key.DeleteClusterPolicy:             "cloudhsm:DeleteResourcePolicy",
	key.ListTokens:                      "holdfast:ListTokens",
	key.ListTokenObjects:                "holdfast:ListTokenObjects",
	key.ListProviders:                   "holdfast:ListProviders",
	key.ListProviderKeys:                "holdfast:ListProviderKeys",
	key.TestProvider:                    "holdfast:TestProvider",
	key.ExportKey:                       "kms:ExportKey", // AWS has no such action; the name is the one that policies deny as kms:Export*
	key.GetAuthorityCSR:                 "acm-pca:GetCertificateAuthorityCsr",
	key.GetAuthorityCertificate:         "acm-pca:GetCertificateAuthorityCertificate",
	key.ImportAuthorityCertificate:      "acm-pca:ImportCertificateAuthorityCertificate",
	key.RestoreAuthority:                "acm-pca:RestoreCertificateAuthority",
	key.RenewAuthority:                  "holdfast:RenewAuthority",
	key.RekeyAuthority:                  "holdfast:RekeyAuthority",
	key.TagAuthority:                    "acm-pca:TagCertificateAuthority",
	key.UntagAuthority:                  "acm-pca:UntagCertificateAuthority",
	key.ListAuthorityTags:               "acm-pca:ListTags",
	key.PutAuthorityPolicy:              "acm-pca:PutPolicy",
	key.GetAuthorityPolicy:              "acm-pca:GetPolicy",
	key.DeleteAuthorityPolicy:           "acm-pca:DeletePolicy",
	key.CreatePermission:                "acm-pca:CreatePermission",
	key.DeletePermission:                "acm-pca:DeletePermission",
	key.ListPermissions:                 "acm-pca:ListPermissions",
	key.CreateAuditReport:               "acm-pca:CreateCertificateAuthorityAuditReport",
	key.DescribeAuditReport:             "acm-pca:DescribeCertificateAuthorityAuditReport",
	key.RegisterCertificate:             "holdfast:RegisterCertificate",
	key.ForgetCertificate:               "holdfast:ForgetCertificate",
	key.PutProfile:                      "holdfast:PutProfile",
	key.GetProfile:                      "holdfast:GetProfile",
	key.ListProfiles:                    "holdfast:ListProfiles",
	key.DeleteProfile:                   "holdfast:DeleteProfile",
	key.RequestManaged:                  "acm:RequestCertificate",
	key.DescribeManaged:                 "acm:DescribeCertificate",
	key.ListManaged:                     "acm:ListCertificates",
	key.GetManaged:                      "acm:GetCertificate",
	key.ExportManaged:                   "acm:ExportCertificate",
	key.ImportManaged:                   "acm:ImportCertificate",
	key.RenewManaged:                    "acm:RenewCertificate",
	key.RevokeManaged:                   "acm:RevokeCertificate",
	key.DeleteManaged:                   "acm:DeleteCertificate",
	key.TagManaged:                      "acm:AddTagsToCertificate",
	key.UntagManaged:                    "acm:RemoveTagsFromCertificate",
	key.ListManagedTags:                 "acm:ListTagsForCertificate",
	key.UpdateManaged:                   "acm:UpdateCertificateOptions",
	key.GetManagedSettings:              "acm:GetAccountConfiguration",
	key.PutManagedSettings:              "acm:PutAccountConfiguration",
	key.CreateUser:                      "iam:CreateUser",
	key.GetUser:                         "iam:GetUser",
	key.ListUsers:                       "iam:ListUsers",
	key.DeleteUser:                      "iam:DeleteUser",
	key.PutUserPolicy:                   "iam:PutUserPolicy",
	key.DeleteUserPolicy:                "iam:DeleteUserPolicy",
	key.CreateAccessKey:                 "iam:CreateAccessKey",
	key.UpdateAccessKey:                 "iam:UpdateAccessKey",
	key.DeleteAccessKey:                 "iam:DeleteAccessKey",
	key.CreateSession:                   "sts:GetSessionToken",
	key.GetCallerIdentity:               "sts:GetCallerIdentity",
	key.ReadAudit:                       "cloudtrail:LookupEvents",
	key.ResetServer:                     "holdfast:ResetServer",
	key.UnsealServer:                    "holdfast:UnsealServer",
	key.ChangeSeal:                      "holdfast:ChangeSeal",
	key.ExportRootKey:                   "holdfast:ExportRootKey",
	key.RestoreServer:                   "holdfast:RestoreServer",
	key.CreateRole:                      "iam:CreateRole",
	key.GetRole:                         "iam:GetRole",
	key.ListRoles:                       "iam:ListRoles",
	key.DeleteRole:                      "iam:DeleteRole",
	key.PutRolePolicy:                   "iam:PutRolePolicy",
	key.DeleteRolePolicy:                "iam:DeleteRolePolicy",
	key.PutTrustPolicy:                  "iam:UpdateAssumeRolePolicy",
	key.UpdateRole:                      "iam:UpdateRole",
	key.AssumeRole:                      "sts:AssumeRole",
	key.TagSession:                      "sts:TagSession",
	key.SetSourceIdentity:               "sts:SetSourceIdentity",
	key.GetAccessKeyInfo:                "sts:GetAccessKeyInfo",
	key.AssumeRoleWithWebIdentity:       "sts:AssumeRoleWithWebIdentity",
	key.CreateIssuer:                    "iam:CreateOpenIDConnectProvider",
	key.GetIssuer:                       "iam:GetOpenIDConnectProvider",
	key.UpdateIssuer:                    "iam:AddClientIDToOpenIDConnectProvider",
	key.ListIssuers:                     "iam:ListOpenIDConnectProviders",
	key.DeleteIssuer:                    "iam:DeleteOpenIDConnectProvider",
	key.EnrolFactor:                     "iam:EnableMFADevice",
	key.ListFactors:                     "iam:ListMFADevices",
	key.RemoveFactor:                    "iam:DeactivateMFADevice",
	key.PutClientCertificate:            "holdfast:PutClientCertificate",
	key.DeleteClientCertificate:         "holdfast:DeleteClientCertificate",
	key.RequestApproval:                 "holdfast:RequestApproval",
	key.DecideApproval:                  "holdfast:DecideApproval",
	key.ListApprovals:                   "holdfast:ListApprovals",
	key.CancelApproval:                  "holdfast:CancelApproval",
	key.CreateSecret:                    "secretsmanager:CreateSecret",
	key.DescribeSecret:                  "secretsmanager:DescribeSecret",
	key.ListSecrets:                     "secretsmanager:ListSecrets",
	key.GetSecretValue:                  "secretsmanager:GetSecretValue",
	key.BatchGetSecretValue:             "secretsmanager:BatchGetSecretValue",
	key.PutSecretValue:                  "secretsmanager:PutSecretValue",
	key.UpdateSecret:                    "secretsmanager:UpdateSecret",
	key.UpdateSecretStage:               "secretsmanager:UpdateSecretVersionStage",
	key.ListSecretVersions:              "secretsmanager:ListSecretVersionIds",
	key.DeleteSecret:                    "secretsmanager:DeleteSecret",
	key.RestoreSecret:                   "secretsmanager:RestoreSecret",
	key.TagSecret:                       "secretsmanager:TagResource",
	key.UntagSecret:                     "secretsmanager:UntagResource",
	key.PutSecretPolicy:                 "secretsmanager:PutResourcePolicy",
	key.GetSecretPolicy:                 "secretsmanager:GetResourcePolicy",
	key.DeleteSecretPolicy:              "secretsmanager:DeleteResourcePolicy",
	key.GetRandomPassword:               "secretsmanager:GetRandomPassword",
	key.CreateTopic:                     "sns:CreateTopic",
	key.DeleteTopic:                     "sns:DeleteTopic",
	key.ListTopics:                      "sns:ListTopics",
	key.GetTopic:                        "sns:GetTopicAttributes",
	key.SetTopic:                        "sns:SetTopicAttributes",
	key.Publish:                         "sns:Publish",
	key.Subscribe:                       "sns:Subscribe",
	key.ConfirmSubscription:             "sns:ConfirmSubscription",
	key.Unsubscribe:                     "sns:Unsubscribe",
	key.ListSubscriptions:               "sns:ListSubscriptions",
	key.ListTopicSubscriptions:          "sns:ListSubscriptionsByTopic",
	key.GetSubscription:                 "sns:GetSubscriptionAttributes",
	key.SetSubscription:                 "sns:SetSubscriptionAttributes",
	key.TagTopic:                        "sns:TagResource",
	key.UntagTopic:                      "sns:UntagResource",
	key.ListTopicTags:                   "sns:ListTagsForResource",
	key.CreateTrail:                     "cloudtrail:CreateTrail",
	key.UpdateTrail:                     "cloudtrail:UpdateTrail",
	key.DeleteTrail:                     "cloudtrail:DeleteTrail",
	key.GetTrail:                        "cloudtrail:GetTrail",
	key.DescribeTrails:                  "cloudtrail:DescribeTrails",
	key.ListTrails:                      "cloudtrail:ListTrails",
	key.GetTrailStatus:                  "cloudtrail:GetTrailStatus",
	key.StartLogging:                    "cloudtrail:StartLogging",
	key.StopLogging:                     "cloudtrail:StopLogging",
	key.GetEventSelectors:               "cloudtrail:GetEventSelectors",
	key.PutEventSelectors:               "cloudtrail:PutEventSelectors",
	key.TagTrail:                        "cloudtrail:AddTags",
	key.UntagTrail:                      "cloudtrail:RemoveTags",
	key.ListTrailTags:                   "cloudtrail:ListTags",
	key.PutAlarm:                        "cloudwatch:PutMetricAlarm",
	key.DescribeAlarms:                  "cloudwatch:DescribeAlarms",
	key.DeleteAlarms:                    "cloudwatch:DeleteAlarms",
	key.SetAlarmState:                   "cloudwatch:SetAlarmState",
	key.EnableAlarmActions:              "cloudwatch:EnableAlarmActions",
	key.DisableAlarmActions:             "cloudwatch:DisableAlarmActions",
	key.DescribeAlarmHistory:            "cloudwatch:DescribeAlarmHistory",
	key.TagAlarm:                        "cloudwatch:TagResource",
	key.UntagAlarm:                      "cloudwatch:UntagResource",
	key.ListAlarmTags:                   "cloudwatch:ListTagsForResource",
	key.GetMetricData:                   "cloudwatch:GetMetricData",
	key.GetMetricStatistics:             "cloudwatch:GetMetricStatistics",
	key.ListMetrics:                     "cloudwatch:ListMetrics",
	key.InvokeFunction:                  "lambda:InvokeFunction",
	key.ListFunctions:                   "lambda:ListFunctions",
	key.GetFunction:                     "lambda:GetFunction",
	key.GetRotationPlan:                 "holdfast:GetRotationPlan",
	key.PutRotationRule:                 "holdfast:PutRotationRule",
	key.DeleteRotationRule:              "holdfast:DeleteRotationRule",
	key.ListNotices:                     "holdfast:ListNotices",
	key.RetryNotice:                     "holdfast:RetryNotice",
	key.TestNotice:                      "holdfast:TestNotice",
	key.CheckCompliance:                 "holdfast:CheckCompliance",
	key.ListDeployments:                 "holdfast:ListDeployments",
	key.ReportDeployment:                "holdfast:ReportDeployment",
	key.HoldAudit:                       "holdfast:HoldAudit",
	key.ListSinks:                       "holdfast:ListSinks",
	key.RetireAudit:                     "holdfast:RetireAudit",
}

// actionsByName has the actions by their IAM names in lower case: IAM does not
// tell cases apart.
var actionsByName = func() map[string]key.Action {
	byName := make(map[string]key.Action, len(actionNames))
	for a, name := range actionNames {
		byName[strings.ToLower(name)] = a
	}
	return byName
}()

// ActionName returns the IAM name of an action, such as "kms:Encrypt"; "" for
// no action.
func ActionName(a key.Action) string { return actionNames[a] }

// ParseAction returns the action of an IAM name, in any case of letters.
func ParseAction(name string) (key.Action, bool) {
	a, ok := actionsByName[strings.ToLower(name)]
	return a, ok
}

// matchActions returns the actions whose names an element of Action matches:
// "*", or a service and a name, which may have wildcards.
func matchActions(pattern string) (key.ActionSet, error) {
	var set key.ActionSet
	if pattern == "*" {
		return set.Complement(), nil
	}
	service, name, ok := strings.Cut(pattern, ":")
	switch {
	case !ok || service == "" || name == "":
		return set, fmt.Errorf("%q is neither \"*\" nor service:action", pattern)
	case service != "*" && strings.Trim(strings.ToLower(service), serviceLetters) != "":
		return set, fmt.Errorf("%q has a service that is no name", pattern)
	case strings.Trim(strings.ToLower(name), actionLetters) != "":
		return set, fmt.Errorf("%q has an action that is no name", pattern)
	}
	names := policy.NewWildcards(strings.ToLower(pattern))
	for name, a := range actionsByName {
		if names.Match(name) {
			set.Add(a)
		}
	}
	return set, nil
}

// The characters of services' and actions' names.
const (
	serviceLetters = "abcdefghijklmnopqrstuvwxyz0123456789-"
	actionLetters  = serviceLetters + "_*?"
)
