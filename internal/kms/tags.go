package kms

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/guard"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/policy"
)

// Tag sets tags of a key; a tag that is there gets the new value.
func (s *Service) Tag(ctx context.Context, call *key.Call, ref Ref, tags []key.Tag) error {
	_, err := s.change(ctx, call, &change{
		ref: ref, action: key.TagResource, attributes: policy.Attributes{Tags: tags},
		edit: func(_ *guard.Visit, k *key.Key) (err error) {
			k.Tags, err = mergeTags(k.Tags, tags)
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

// mergeTags returns the tags of a key after adding some, sorted by key.
func mergeTags(have, add []key.Tag) ([]key.Tag, error) {
	if len(add) > MaxTags { // before each is compared with each
		return nil, tooManyTags()
	}
	merged := slices.Clone(have)
	for i, t := range add {
		if err := checkTag(t); err != nil {
			return nil, err
		}
		if slices.ContainsFunc(add[:i], func(o key.Tag) bool { return o.Key == t.Key }) {
			return nil, fault.Because(fault.InvalidArgument, fault.DuplicateTag, "the tag key %q is there twice", t.Key)
		}
		at := slices.IndexFunc(merged, func(o key.Tag) bool { return o.Key == t.Key })
		if at < 0 {
			merged = append(merged, t)
		} else {
			merged[at] = t
		}
	}
	if len(merged) > MaxTags {
		return nil, tooManyTags()
	}
	slices.SortFunc(merged, func(a, b key.Tag) int { return cmp.Compare(a.Key, b.Key) })
	return merged, nil
}

func tooManyTags() error {
	return fault.Because(fault.LimitExceeded, fault.TooManyTags, "a key has at most %d tags", MaxTags)
}

// checkTag refuses tags that no API takes: keys of 1 to 128 characters,
// values of at most 256, and no key with the prefix that AWS keeps.
func checkTag(t key.Tag) error {
	n := utf8.RuneCountInString(t.Key)
	switch {
	case n < 1 || n > 128 || utf8.RuneCountInString(t.Value) > 256:
		return fault.Because(fault.InvalidArgument, fault.MalformedTag,
			"a tag has a key of 1 to 128 and a value of at most 256 characters")
	case strings.HasPrefix(strings.ToLower(t.Key), "aws:"):
		return fault.Because(fault.InvalidArgument, fault.ReservedTag, "tag keys that begin with aws: are reserved")
	default:
		return nil
	}
}
