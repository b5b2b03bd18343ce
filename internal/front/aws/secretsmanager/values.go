package secretsmanager

import (
	"context"

	"github.com/holdfast-kms/holdfast/internal/front/aws"
	"github.com/holdfast-kms/holdfast/internal/secret"
	wire "github.com/holdfast-kms/holdfast/internal/wire/aws"
)

// given is the value in a request: a text or bytes.
type given struct{ text, bytes []byte }

func (g *given) declare(m *aws.Members) {
	m.Secret("SecretString", &g.text, 1, maxValue)
	m.Blob("SecretBinary", &g.bytes, 1, maxValue)
}

// value returns the value, nil for none.
func (g *given) value() (*secret.Value, error) {
	switch {
	case g.text != nil && g.bytes != nil:
		return nil, invalid("You can't specify both a binary secret value and a string secret value in the same secret.")
	case g.text != nil:
		return secret.NewText(g.text), nil
	case g.bytes != nil:
		return secret.NewBytes(g.bytes), nil
	}
	return nil, nil //nolint:nilnil // none, as documented
}

type createSecretRequest struct {
	given
	name, token, description, key string
	tags                          []tag
}

// Members declares CreateSecret's request.
func (r *createSecretRequest) Members(m *aws.Members) {
	m.Text("Name", &r.name, 1, maxName).Required()
	m.Text("ClientRequestToken", &r.token, minToken, maxToken)
	m.Text("Description", &r.description, 0, maxDescription)
	m.Text("KmsKeyId", &r.key, 0, maxKeyID)
	r.declare(m)
	aws.Structs(m, "Tags", &r.tags, maxTags)
	m.Unsupported("AddReplicaRegions")
	m.Unsupported("ForceOverwriteReplicaSecret")
	m.Unsupported("Type")
}

func (f *front) createSecret(ctx context.Context, x *aws.Exchange, in *createSecretRequest) error {
	if secret.CheckName(in.name) != nil {
		return aws.Validation("Invalid name. Must be a valid name containing alphanumeric characters, or any of the following: -/_+=.@!")
	}
	req := &secret.CreateRequest{Name: in.name, Description: in.description, Tags: keyTags(in.tags), Version: in.token}
	var err error
	if req.Value, err = in.value(); err != nil {
		return err
	}
	if in.key != "" {
		if req.Key, err = keyChoice(in.key); err != nil {
			return err
		}
	}
	r, err := f.secrets.Create(ctx, &x.Call, req)
	if err != nil {
		return err
	}
	writeResult(x, r)
	return nil
}

func writeResult(x *aws.Exchange, r *secret.Result) {
	writeNames(x, r.Secret)
	if r.Given != "" {
		x.Out.Text("VersionId", r.Given)
	}
}

type putSecretValueRequest struct {
	secretRequest
	given
	token  string
	stages []string
}

// Members declares PutSecretValue's request.
func (r *putSecretValueRequest) Members(m *aws.Members) {
	r.secretRequest.Members(m)
	m.Text("ClientRequestToken", &r.token, minToken, maxToken)
	r.declare(m)
	m.List("VersionStages", &r.stages, maxStages, 1, maxStage).AtLeast(1)
	m.Unsupported("RotationToken")
}

func (f *front) putSecretValue(ctx context.Context, x *aws.Exchange, in *putSecretValueRequest) error {
	x.Words.Token = in.token
	req := &secret.PutRequest{Version: in.token}
	var err error
	if req.Secret, err = in.ref(); err != nil {
		return err
	}
	if req.Value, err = in.value(); err != nil {
		return err
	}
	if req.Value == nil {
		return wire.Invalid(invalidRequest, "You must provide either SecretString or SecretBinary.")
	}
	for _, label := range in.stages {
		stage, err := stageOf(label)
		if err != nil {
			return err
		}
		req.Stages = append(req.Stages, stage)
	}
	r, err := f.secrets.Put(ctx, &x.Call, req)
	if err != nil {
		return err
	}
	writeResult(x, r)
	if v, ok := r.Version(r.Given); ok {
		writeStages(&x.Out, "VersionStages", v.Stages)
	}
	return nil
}

// absent marks a text that was not sent; no text that can be sent is the same,
// because it is no UTF-8.
const absent = "\xff"

type updateSecretRequest struct {
	secretRequest
	given
	token, description, key string
}

// Members declares UpdateSecret's request.
func (r *updateSecretRequest) Members(m *aws.Members) {
	r.description, r.key = absent, absent
	r.secretRequest.Members(m)
	m.Text("ClientRequestToken", &r.token, minToken, maxToken)
	m.Text("Description", &r.description, 0, maxDescription)
	m.Text("KmsKeyId", &r.key, 0, maxKeyID)
	r.declare(m)
	m.Unsupported("Type")
}

func (f *front) updateSecret(ctx context.Context, x *aws.Exchange, in *updateSecretRequest) error {
	x.Words.Token = in.token
	req := &secret.UpdateRequest{Version: in.token}
	var err error
	if req.Secret, err = in.ref(); err != nil {
		return err
	}
	if req.Value, err = in.value(); err != nil {
		return err
	}
	if in.description != absent {
		req.Description = &in.description
	}
	switch in.key {
	case absent:
	case "":
		in.key = wire.SecretsAlias
		fallthrough
	default:
		if req.Key, err = keyChoice(in.key); err != nil {
			return err
		}
	}
	r, err := f.secrets.Update(ctx, &x.Call, req)
	if err != nil {
		return err
	}
	writeResult(x, r)
	return nil
}

type updateStageRequest struct {
	secretRequest
	stage, from, to string
}

// Members declares UpdateSecretVersionStage's request.
func (r *updateStageRequest) Members(m *aws.Members) {
	r.secretRequest.Members(m)
	m.Text("VersionStage", &r.stage, 1, maxStage).Required()
	m.Text("RemoveFromVersionId", &r.from, minToken, maxToken)
	m.Text("MoveToVersionId", &r.to, minToken, maxToken)
}

func (f *front) updateSecretVersionStage(ctx context.Context, x *aws.Exchange, in *updateStageRequest) error {
	req := &secret.StageRequest{From: in.from, To: in.to}
	var err error
	if req.Secret, err = in.ref(); err != nil {
		return err
	}
	if req.Stage, err = stageOf(in.stage); err != nil {
		return err
	}
	s, err := f.secrets.MoveStage(ctx, &x.Call, req)
	if err != nil {
		return err
	}
	writeNames(x, s)
	return nil
}

type getSecretValueRequest struct {
	secretRequest
	version, stage string
}

// Members declares GetSecretValue's request.
func (r *getSecretValueRequest) Members(m *aws.Members) {
	r.secretRequest.Members(m)
	m.Text("VersionId", &r.version, minToken, maxToken)
	m.Text("VersionStage", &r.stage, 1, maxStage)
}

func (f *front) getSecretValue(ctx context.Context, x *aws.Exchange, in *getSecretValueRequest) error {
	ref, err := in.ref()
	if err != nil {
		return err
	}
	stage, err := stageOf(in.stage)
	if err != nil {
		return err
	}
	switch {
	case in.version != "":
		x.Words.Version = "VersionId: " + in.version
	case in.stage != "":
		x.Words.Version = "staging label: " + in.stage
	default:
		x.Words.Version = "staging label: " + wire.StageName(string(secret.Current))
	}
	r, err := f.secrets.Get(ctx, &x.Call, &secret.Choice{Secret: ref, Version: in.version, Stage: stage})
	if err != nil {
		return err
	}
	defer r.Value.Wipe()
	writeRevealed(x, r)
	return nil
}

// writeRevealed adds the members of a version with its value.
func writeRevealed(x *aws.Exchange, r *secret.Revealed) {
	writeNames(x, r.Secret)
	x.Out.Text("VersionId", r.Version.ID)
	if r.Value.Binary {
		x.Out.Blob("SecretBinary", r.Value.Reveal())
	} else {
		x.Out.Text("SecretString", string(r.Value.Reveal()))
	}
	if len(r.Version.Stages) > 0 {
		writeStages(&x.Out, "VersionStages", r.Version.Stages)
	}
	x.Out.Time("CreatedDate", r.Version.CreatedAt)
}

type batchRequest struct {
	aws.PageRequest
	ids     []string
	filters []filter
}

// Members declares BatchGetSecretValue's request.
func (r *batchRequest) Members(m *aws.Members) {
	m.List("SecretIdList", &r.ids, maxBatch, 1, maxSecretID).AtLeast(1)
	aws.Structs(m, "Filters", &r.filters, maxFilters)
	m.Int("MaxResults", &r.Limit, 1, maxBatch)
	m.Text("NextToken", &r.Marker, 1, maxNextToken)
}

func (f *front) batchGetSecretValue(ctx context.Context, x *aws.Exchange, in *batchRequest) error {
	req := &secret.BatchRequest{}
	if (in.ids == nil) == (in.filters == nil) {
		return invalid("Either 'SecretIdList' or 'Filters' must be provided, but not both.")
	}
	for _, id := range in.ids {
		ref, err := refOf(id)
		if err != nil {
			return err
		}
		req.Secrets = append(req.Secrets, ref)
	}
	if in.filters != nil {
		page, err := x.Page(in.PageRequest, maxBatch, strayToken)
		if err != nil {
			return err
		}
		req.List = &secret.List{Filters: filtersOf(in.filters), Descending: true, Page: page}
	} else if in.Limit != 0 || in.Marker != "" {
		return invalid("MaxResults and NextToken go with Filters, not with SecretIdList.")
	}
	list, next, err := f.secrets.Batch(ctx, &x.Call, req)
	if err != nil {
		return err
	}
	x.Out.Array("SecretValues", func() {
		for _, item := range list {
			if item.Err == nil {
				x.Out.Object("", func() { writeRevealed(x, item.Revealed) })
				item.Revealed.Value.Wipe()
			}
		}
	})
	if next != "" {
		x.Out.Text("NextToken", x.NextMarker(next))
	}
	writeFailures(x, list, in.ids)
	return nil
}

// writeFailures adds the secrets of a batch that were not to be had.
func writeFailures(x *aws.Exchange, list []secret.Item, ids []string) {
	x.Out.Array("Errors", func() {
		for i, item := range list {
			if item.Err == nil {
				continue
			}
			id := item.Name
			if ids != nil {
				id = ids[i]
			}
			x.Words.Version = "staging label: " + wire.StageName(string(secret.Current))
			why := explain(x, item.Err)
			x.Out.Object("", func() {
				x.Out.Text("SecretId", id)
				x.Out.Text("ErrorCode", why.Code)
				x.Out.Text("Message", why.Message)
			})
		}
	})
}
