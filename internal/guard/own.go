package guard

import (
	"time"

	"github.com/google/uuid"

	"github.com/holdfast-kms/holdfast/internal/key"
)

// Lifecycle is the name of the service that does by the clock what a stored
// rule says.
const Lifecycle = "lifecycle"

// OwnCall returns the envelope of what a part of Holdfast does with nobody
// asking, as a service of a realm.
func OwnCall(realm key.RealmID, region, service, operation string, at time.Time) *key.Call {
	return &key.Call{
		Caller:    key.Caller{Principal: key.Principal{Realm: realm, Kind: key.Service, Name: service}, Method: "internal"},
		RequestID: uuid.NewString(), API: "holdfast", Operation: operation, Region: region, Time: at,
	}
}
