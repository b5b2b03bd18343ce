package key

import (
	"cmp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/holdfast-kms/holdfast/internal/fault"
)

// MaxTags is how many tags a thing has at most.
const MaxTags = 50

// MergeTags returns the tags of a thing after adding some, sorted by key.
func MergeTags(have, add []Tag) ([]Tag, error) {
	if len(add) > MaxTags { // before each is compared with each
		return nil, tooManyTags()
	}
	merged := slices.Clone(have)
	for i, t := range add {
		if err := checkTag(t); err != nil {
			return nil, err
		}
		if slices.ContainsFunc(add[:i], func(o Tag) bool { return o.Key == t.Key }) {
			return nil, fault.Because(fault.InvalidArgument, fault.DuplicateTag, "the tag key %q is there twice", t.Key)
		}
		at := slices.IndexFunc(merged, func(o Tag) bool { return o.Key == t.Key })
		if at < 0 {
			merged = append(merged, t)
		} else {
			merged[at] = t
		}
	}
	if len(merged) > MaxTags {
		return nil, tooManyTags()
	}
	slices.SortFunc(merged, func(a, b Tag) int { return cmp.Compare(a.Key, b.Key) })
	return merged, nil
}

func tooManyTags() error {
	return fault.Because(fault.LimitExceeded, fault.TooManyTags, "there are at most %d tags", MaxTags)
}

// checkTag refuses tags that no API takes: keys of 1 to 128 characters,
// values of at most 256, and no key with the prefix that AWS keeps.
func checkTag(t Tag) error {
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
