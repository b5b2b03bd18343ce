package server

import (
	"github.com/holdfast-kms/holdfast/internal/policy"
	"github.com/holdfast-kms/holdfast/internal/secret"
	"github.com/holdfast-kms/holdfast/internal/wire/aws"
)

// openSecrets opens the secrets, which keys of the door seal.
func (i *instance) openSecrets() {
	i.secrets = secret.New(secret.Config{
		Keys: i.keys, Guard: i.guard, Store: i.store, Compile: compiler(policy.ForResource),
		Alias: aws.SecretsAlias, KeyPolicy: aws.SecretsKeyPolicy, Context: aws.SecretContext,
	})
}
