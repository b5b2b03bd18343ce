package secretsmanager

import (
	"context"

	"github.com/holdfast-kms/holdfast/internal/front/aws"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/secret"
	wire "github.com/holdfast-kms/holdfast/internal/wire/aws"
)

// strayToken is the text for a page of another listing.
const strayToken = "the NextToken is not of this listing"

func (f *front) describeSecret(ctx context.Context, x *aws.Exchange, in *secretRequest) error {
	ref, err := in.ref()
	if err != nil {
		return err
	}
	s, err := f.secrets.Describe(ctx, &x.Call, ref)
	if err != nil {
		return err
	}
	writeRecord(x, s, "VersionIdsToStages")
	return nil
}

// writeRecord adds what DescribeSecret and ListSecrets tell of a secret; they
// differ in what they call the versions.
func writeRecord(x *aws.Exchange, s *secret.Secret, versions string) {
	writeNames(x, s)
	if s.Description != "" {
		x.Out.Text("Description", s.Description)
	}
	if s.KeyText != "" {
		x.Out.Text("KmsKeyId", s.KeyText)
	}
	x.Out.Time("LastChangedDate", s.ChangedAt)
	if !s.AccessedAt.IsZero() {
		x.Out.Time("LastAccessedDate", s.AccessedAt)
	}
	if !s.DeletedAt.IsZero() {
		x.Out.Time("DeletedDate", s.DeletedAt)
	}
	if len(s.Tags) > 0 {
		writeTags(x, s.Tags)
	}
	writeVersions(x, versions, s.Versions)
	x.Out.Time("CreatedDate", s.CreatedAt)
}

func writeTags(x *aws.Exchange, tags []key.Tag) {
	x.Out.Array("Tags", func() {
		for _, t := range tags {
			x.Out.Object("", func() {
				x.Out.Text("Key", t.Key)
				x.Out.Text("Value", t.Value)
			})
		}
	})
}

// writeVersions adds the labels of the versions that have some.
func writeVersions(x *aws.Exchange, name string, versions []secret.Version) {
	labelled := 0
	for _, v := range versions {
		labelled += len(v.Stages)
	}
	if labelled == 0 {
		return
	}
	x.Out.Object(name, func() {
		for _, v := range versions {
			if len(v.Stages) > 0 {
				writeStages(&x.Out, v.ID, v.Stages)
			}
		}
	})
}

type listVersionsRequest struct {
	secretRequest
	aws.PageRequest
	all bool
}

// Members declares ListSecretVersionIds's request.
func (r *listVersionsRequest) Members(m *aws.Members) {
	r.secretRequest.Members(m)
	m.Int("MaxResults", &r.Limit, 1, maxPage)
	m.Text("NextToken", &r.Marker, 1, maxNextToken)
	m.Bool("IncludeDeprecated", &r.all)
}

// defaultKey is what ListSecretVersionIds calls the key of versions that were
// sealed without another one.
const defaultKey = "DefaultEncryptionKey"

func (f *front) listSecretVersionIDs(ctx context.Context, x *aws.Exchange, in *listVersionsRequest) error {
	ref, err := in.ref()
	if err != nil {
		return err
	}
	page, err := x.Page(in.PageRequest, maxPage, strayToken)
	if err != nil {
		return err
	}
	s, err := f.secrets.Versions(ctx, &x.Call, ref)
	if err != nil {
		return err
	}
	list, next := pageOf(s.Versions, in.all, page.After, page.Limit)
	x.Out.Array("Versions", func() {
		for _, v := range list {
			x.Out.Object("", func() { writeVersion(x, &v) })
		}
	})
	if next != "" {
		x.Out.Text("NextToken", x.NextMarker(next))
	}
	writeNames(x, s)
	return nil
}

func writeVersion(x *aws.Exchange, v *secret.Version) {
	x.Out.Text("VersionId", v.ID)
	if len(v.Stages) > 0 {
		writeStages(&x.Out, "VersionStages", v.Stages)
	}
	if !v.AccessedAt.IsZero() {
		x.Out.Time("LastAccessedDate", v.AccessedAt)
	}
	x.Out.Time("CreatedDate", v.CreatedAt)
	x.Out.Array("KmsKeyIds", func() {
		id := defaultKey
		if name, ok := key.ParseName(v.Key); ok {
			id = wire.KeyARN(name)
		}
		x.Out.Text("", id)
	})
}

// pageOf returns the versions after one of them, and the last one of the page
// if there are more. Those without a label come only when all are wanted.
func pageOf(versions []secret.Version, all bool, after string, limit int) (list []secret.Version, next string) {
	begun := after == ""
	for _, v := range versions {
		switch {
		case !begun:
			begun = v.ID == after
		case !all && len(v.Stages) == 0:
		case len(list) == limit:
			return list, list[limit-1].ID
		default:
			list = append(list, v)
		}
	}
	return list, ""
}

// filter is a Filter.
type filter struct {
	key    string
	values []string
}

// Members declares the structure.
func (r *filter) Members(m *aws.Members) {
	m.Enum("Key", &r.key, filterKeys).Required()
	m.List("Values", &r.values, 10, 0, maxFilterText).AtLeast(1).Matching(filterPattern).Required()
}

func filtersOf(list []filter) []secret.Filter {
	var out []secret.Filter
	for _, f := range list {
		out = append(out, secret.Filter{Field: fields[f.key], Values: f.values})
	}
	return out
}

type listSecretsRequest struct {
	aws.PageRequest
	deleted        bool
	filters        []filter
	sortBy, sortIn string
}

// Members declares ListSecrets's request.
func (r *listSecretsRequest) Members(m *aws.Members) {
	m.Bool("IncludePlannedDeletion", &r.deleted)
	m.Int("MaxResults", &r.Limit, 1, maxPage)
	m.Text("NextToken", &r.Marker, 1, maxNextToken)
	aws.Structs(m, "Filters", &r.filters, maxFilters)
	m.Enum("SortOrder", &r.sortIn, sortOrders)
	m.Enum("SortBy", &r.sortBy, sortKeys)
}

func (f *front) listSecrets(ctx context.Context, x *aws.Exchange, in *listSecretsRequest) error {
	page, err := x.Page(in.PageRequest, maxPage, strayToken)
	if err != nil {
		return err
	}
	list, next, err := f.secrets.List(ctx, &x.Call, &secret.List{
		Filters: filtersOf(in.filters), Deleted: in.deleted, Order: orders[in.sortBy], Descending: in.sortIn != ascending, Page: page,
	})
	if err != nil {
		return err
	}
	x.Out.Array("SecretList", func() {
		for _, s := range list {
			x.Out.Object("", func() { writeRecord(x, s, "SecretVersionsToStages") })
		}
	})
	if next != "" {
		x.Out.Text("NextToken", x.NextMarker(next))
	}
	return nil
}
