package kms

import (
	"context"
	"slices"

	"github.com/holdfast-kms/holdfast/internal/guard"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/policy"
)

// Tag sets tags of a key; a tag that is there gets the new value.
func (s *Service) Tag(ctx context.Context, call *key.Call, ref Ref, tags []key.Tag) error {
	_, err := s.change(ctx, call, &change{
		ref: ref, action: key.TagResource, attributes: policy.Attributes{Tags: tags},
		edit: func(_ *guard.Visit, k *key.Key) (err error) {
			k.Tags, err = key.MergeTags(k.Tags, tags)
			return err
		},
	})
	return err
}

// Untag removes tags by their keys; those that are not there are no error.
func (s *Service) Untag(ctx context.Context, call *key.Call, ref Ref, keys []string) error {
	attributes := policy.Attributes{}
	for _, name := range keys {
		attributes.Tags = append(attributes.Tags, key.Tag{Key: name})
	}
	_, err := s.change(ctx, call, &change{
		ref: ref, action: key.UntagResource, attributes: attributes,
		edit: func(_ *guard.Visit, k *key.Key) error {
			k.Tags = slices.DeleteFunc(k.Tags, func(t key.Tag) bool { return slices.Contains(keys, t.Key) })
			return nil
		},
	})
	return err
}

// ListTags returns a page of a key's tags in the order of their keys.
func (s *Service) ListTags(ctx context.Context, call *key.Call, ref Ref, page Page) ([]key.Tag, string, error) {
	k, err := s.read(ctx, call, ref, key.ListResourceTags)
	if err != nil {
		return nil, "", err
	}
	tags := k.Tags
	for len(tags) > 0 && tags[0].Key <= page.After && page.After != "" {
		tags = tags[1:]
	}
	if len(tags) <= page.Limit {
		return tags, "", nil
	}
	return tags[:page.Limit], tags[page.Limit-1].Key, nil
}
