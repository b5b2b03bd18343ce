package event

import (
	"fmt"
	"time"

	"github.com/holdfast-kms/holdfast/internal/key"
)

// deletionDays are how long before the end of a key its people are reminded.
var deletionDays = []int{3, 1}

// Deletion returns what is to be told of a key whose deletion was scheduled
// now: that it was, and reminders before its end. Name is how people call it.
func Deletion(k *key.Key, name string, now time.Time) []*Event {
	at := k.DeleteAt.UTC().Format("2006-01-02 15:04 UTC")
	one := func(id string, when time.Time, days int, summary string) *Event {
		return &Event{
			ID: id, Kind: DeletionPending, Realm: k.Name.Realm, Region: k.Name.Region, Time: when.UTC(),
			Subject: k.Resource().String(), Name: name, Summary: summary,
			Details: []Detail{{"days", fmt.Sprint(days)}, {"destroyed", at}},
		}
	}
	whole := int(k.DeleteAt.Sub(now).Round(time.Hour) / (24 * time.Hour))
	list := []*Event{one(deletionID(k, 0), now, whole, fmt.Sprintf("The key %s is scheduled to be destroyed at %s.", name, at))}
	for _, days := range deletionDays {
		if when := k.DeleteAt.AddDate(0, 0, -days); when.After(now) {
			list = append(list, one(deletionID(k, days), when, days,
				fmt.Sprintf("The key %s will be destroyed at %s: it can be kept until then.", name, at)))
		}
	}
	return list
}

// DeletionReminders returns the ids of the reminders of Deletion, which are
// withdrawn when the key stays.
func DeletionReminders(k *key.Key) []string {
	var ids []string
	for _, days := range deletionDays {
		ids = append(ids, deletionID(k, days))
	}
	return ids
}

func deletionID(k *key.Key, days int) string {
	when := "scheduled"
	if days > 0 {
		when = fmt.Sprint(days)
	}
	return fmt.Sprintf("%s/%s/%s/%s", DeletionPending, k.Name.ID, k.DeleteAt.UTC().Format(time.RFC3339Nano), when)
}
