package aws

import (
	"strings"
	"testing"

	"github.com/holdfast-kms/holdfast/internal/key"
)

// The answer to a bad request stays small, however much is wrong in it.
func TestComplaintsAreBounded(t *testing.T) {
	tags := make([]key.Tag, 80_000) // as many empty structures as a body has room for
	for i := range tags {
		tags[i] = key.Tag{Key: absent, Value: absent}
	}
	var m Members
	m.Tags("Tags", &tags).present = true
	err := m.check()
	if err == nil || !strings.Contains(err.Error(), "validation errors detected") || len(err.Error()) > 64<<10 {
		t.Errorf("the complaint has %d bytes", len(err.Error()))
	}
}
