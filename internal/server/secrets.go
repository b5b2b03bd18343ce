package server

import (
	"github.com/holdfast-kms/holdfast/internal/function"
	"github.com/holdfast-kms/holdfast/internal/policy"
	"github.com/holdfast-kms/holdfast/internal/secret"
	"github.com/holdfast-kms/holdfast/internal/wire/aws"
)

// openSecrets opens the secrets, which keys of the door seal, and the
// functions, which issue into them.
func (i *instance) openSecrets() {
	i.secrets = secret.New(secret.Config{
		Keys: i.keys, Guard: i.guard, Store: i.store, Compile: compiler(policy.ForResource),
		Alias: aws.SecretsAlias, KeyPolicy: aws.SecretsKeyPolicy, Context: aws.SecretContext,
	})
	i.functions = function.New(function.Config{Keys: i.keys, Authorities: i.ca, Secrets: i.secrets, Guard: i.guard})
}
