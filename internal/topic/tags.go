package topic

import (
	"context"
	"slices"

	"github.com/holdfast-kms/holdfast/internal/guard"
	"github.com/holdfast-kms/holdfast/internal/key"
)

// Tag gives a topic tags, or new values to those it has.
func (s *Service) Tag(ctx context.Context, call *key.Call, ref key.Resource, tags []key.Tag) error {
	_, err := s.change(ctx, call, key.TagTopic, ref, tags, func(t *Topic) (err error) {
		t.Tags, err = key.MergeTags(t.Tags, tags)
		return err
	})
	return err
}

// Untag takes tags from a topic; those that it does not have are left alone.
func (s *Service) Untag(ctx context.Context, call *key.Call, ref key.Resource, keys []string) error {
	tags := make([]key.Tag, len(keys))
	for i, k := range keys {
		tags[i].Key = k
	}
	_, err := s.change(ctx, call, key.UntagTopic, ref, tags, func(t *Topic) error {
		t.Tags = slices.DeleteFunc(t.Tags, func(t key.Tag) bool { return slices.Contains(keys, t.Key) })
		return nil
	})
	return err
}

// Tags returns a topic's tags, sorted by their keys.
func (s *Service) Tags(ctx context.Context, call *key.Call, ref key.Resource) ([]key.Tag, error) {
	return guard.Do(ctx, s.Guard, call, key.ListTopicTags, func(v *guard.Visit) ([]key.Tag, error) {
		t, err := s.visit(ctx, v, key.ListTopicTags, ref, nil)
		if err != nil {
			return nil, err
		}
		return t.Tags, nil
	})
}
