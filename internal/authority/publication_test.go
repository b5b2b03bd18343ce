package authority

import (
	"testing"

	"github.com/holdfast-kms/holdfast/internal/fault"
)

// TestPlace: what is accepted as a bucket and a path is what internal/bucket
// keeps files under.
func TestPlace(t *testing.T) {
	for _, c := range []struct {
		bucket, path string
		good         bool
	}{
		{"", "", true},
		{"my-lists.example", "", true},
		{"abc", "a/b_c/~d.e", true},
		{"abc", "/a/", true},
		{"ab", "", false},
		{"Upper", "", false},
		{"a..b", "", false},
		{"-ab", "", false},
		{"../../etc", "", false},
		{"bucket/folder", "", false},
		{"abc", "../x", false},
		{"abc", "a/../x", false},
		{"abc", "a//b", false},
		{"abc", ".hidden", false},
		{"abc", "a?b", false},
		{"abc", "a\\b", false},
	} {
		err := (&RevocationConfig{CRL: CRLConfig{Bucket: c.bucket, Path: c.path}}).Check()
		if good := err == nil; good != c.good || !good && fault.KindOf(err) != fault.InvalidArgument {
			t.Errorf("bucket %q, path %q: %v", c.bucket, c.path, err)
		}
	}
}
