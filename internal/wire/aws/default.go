package aws

import "github.com/holdfast-kms/holdfast/internal/key"

// Dialect is the name of AWS's policy language in key.Document.
const Dialect = "aws"

// DefaultKeyPolicy returns the policy of keys that are made without one, as
// AWS writes it: the account's root may do everything, which lets identity
// policies decide ("Default key policy", AWS KMS Developer Guide).
func DefaultKeyPolicy(realm key.RealmID) string {
	return `{
  "Version" : "2012-10-17",
  "Id" : "key-default-1",
  "Statement" : [ {
    "Sid" : "Enable IAM User Permissions",
    "Effect" : "Allow",
    "Principal" : {
      "AWS" : "arn:` + Partition + `:iam::` + string(realm) + `:root"
    },
    "Action" : "kms:*",
    "Resource" : "*"
  } ]
}`
}
