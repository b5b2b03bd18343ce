package secretsmanager

import (
	"strings"

	"github.com/holdfast-kms/holdfast/internal/front/aws"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/secret"
	wire "github.com/holdfast-kms/holdfast/internal/wire/aws"
)

// Lengths of AWS's model.
const (
	maxSecretID    = 2048
	maxKeyID       = 2048
	maxDescription = 2048
	maxName        = 512
	minToken       = 32
	maxToken       = 64
	maxValue       = 65536
	maxStage       = 256
	maxStages      = 20
	maxPolicy      = 20480
	maxNextToken   = 4096
	maxPage        = 100
	maxBatch       = 20
	maxFilters     = 10
	maxFilterText  = 512
	maxPassword    = 4096
	maxTags        = 50 // the service's; the model has none
)

// The enumerations of AWS's model.
var (
	filterKeys = []string{"description", "name", "tag-key", "tag-value", "primary-region", "owning-service", "all"}
	fields     = map[string]secret.Field{
		"description": secret.Description, "name": secret.Name, "tag-key": secret.TagKey, "tag-value": secret.TagValue,
		"primary-region": secret.Home, "owning-service": secret.Owner, "all": secret.Anywhere,
	}
	sortKeys = []string{"created-date", "last-accessed-date", "last-changed-date", "name"}
	orders   = map[string]secret.Order{
		"created-date": secret.ByCreation, "last-accessed-date": secret.ByAccess, "last-changed-date": secret.ByChange, "name": secret.ByName,
	}
	sortOrders = []string{ascending, "desc"}
)

const ascending = "asc"

var filterPattern = aws.Regexp(`^\!?[a-zA-Z0-9 :_@\/\+\=\.\-\!]*$`)

// secretRequest is the request of operations that take a secret and nothing
// else, and the part of others that names it.
type secretRequest struct{ id string }

// Members declares the request.
func (r *secretRequest) Members(m *aws.Members) {
	m.Text("SecretId", &r.id, 1, maxSecretID).Required()
}

// ref returns the secret that the request names: by its ARN, whole or without
// its last seven characters, or by its name.
func (r *secretRequest) ref() (secret.Ref, error) { return refOf(r.id) }

func refOf(id string) (secret.Ref, error) {
	if !strings.HasPrefix(id, "arn:") {
		return secret.Ref{Text: id}, nil
	}
	res, ok := wire.ParseResource(id)
	if !ok || res.Kind != key.KindSecret {
		return secret.Ref{}, invalid("The ARN '" + id + "' is not the ARN of a secret.")
	}
	return secret.Ref{Realm: res.Realm, Region: res.Region, Text: res.ID, ByID: true}, nil
}

// keyChoice returns the key of a KmsKeyId.
func keyChoice(id string) (*secret.KeyChoice, error) {
	ref, ok := aws.KeyRef(id)
	if !ok {
		return nil, invalid("The ARN '" + id + "' is not the ARN of a KMS key or alias.")
	}
	return &secret.KeyChoice{Ref: ref, Text: id}, nil
}

// stageOf returns the stage of a staging label, "" for none.
func stageOf(label string) (secret.Stage, error) {
	stage, ok := wire.ParseStage(label)
	if !ok {
		return "", wire.Unsupported("Holdfast does not support the staging label " + label + ", which it has for one of AWS's own.")
	}
	return secret.Stage(stage), nil
}

// arnOf returns the ARN of a secret.
func arnOf(x *secret.Secret) string { return wire.ResourceARN(x.Resource()) }

// writeNames adds what tells one secret from another.
func writeNames(x *aws.Exchange, s *secret.Secret) {
	x.Out.Text("ARN", arnOf(s))
	x.Out.Text("Name", s.Name)
}

// writeStages adds the staging labels of a version.
func writeStages(out *wire.Encoder, name string, stages []secret.Stage) {
	out.Array(name, func() {
		for _, stage := range stages {
			out.Text("", wire.StageName(string(stage)))
		}
	})
}

// tag is a Tag of AWS Secrets Manager.
type tag struct{ key, value string }

// Members declares the structure.
func (t *tag) Members(m *aws.Members) {
	m.Text("Key", &t.key, 1, 128)
	m.Text("Value", &t.value, 0, 256)
}

func keyTags(list []tag) []key.Tag {
	var out []key.Tag
	for _, t := range list {
		out = append(out, key.Tag{Key: t.key, Value: t.value})
	}
	return out
}

func invalid(message string) error { return wire.Invalid(invalidParameter, message) }
