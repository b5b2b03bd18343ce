package kms

import (
	"github.com/holdfast-kms/holdfast/internal/catalog"
	"github.com/holdfast-kms/holdfast/internal/key"
)

// PublicName names a key by its public half: one of the fields is not zero.
type PublicName = catalog.PublicName

// ByPublic returns the name of the key whose current version has a public half.
// It only names the key, without a decision, a lock or an entry in the audit
// log; every use of the key is authorised as by any other name. Of several keys
// with one public half it is one of the caller's realm, and of the call's region.
func (s *Service) ByPublic(call *key.Call, p PublicName) (key.Name, bool) {
	e, ok := s.keys.ByPublic(p, call.Caller.Principal.Realm, call.Region)
	if !ok {
		return key.Name{}, false
	}
	return e.Key.Name, true
}
