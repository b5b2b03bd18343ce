package rotation

import (
	"encoding/binary"
	"fmt"
	"testing"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/key"
)

// BenchmarkOutlook is one key under the last of ten rules.
func BenchmarkOutlook(b *testing.B) {
	var rules []*Rule
	for i := range 9 {
		rules = append(rules, &Rule{Name: fmt.Sprint(i), Select: Selector{Keys: []string{fmt.Sprintf("alias/%d-*", i)}}})
	}
	rules = append(rules, &Rule{Name: "rest"})
	keys := make([]*key.Key, 1000)
	for i := range keys {
		var id [16]byte
		binary.BigEndian.PutUint64(id[:], uint64(i))
		keys[i] = aKey(alg.P256, alg.SignVerify, nil)
		keys[i].Name.ID = key.NewID(id)
	}
	d, i := Standard(), 0
	for b.Loop() {
		if o := outlookOf(keys[i%len(keys)], []string{"alias/service"}, rules, &d); o.Rule == nil {
			b.Fatal("no rule")
		}
		i++
	}
}
