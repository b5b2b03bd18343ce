package aws

import (
	"strings"

	"github.com/holdfast-kms/holdfast/internal/key"
)

// namedForm is how the ARNs of one kind of resource are made: the service, and
// what stands before the resource's own name.
type namedForm struct{ service, prefix string }

// namedForms are the kinds whose ids are the names in their ARNs ("Resource
// types" of each service, Service Authorization Reference). A secret's name
// ends in a hyphen and six letters of Secrets Manager's choice, and a
// subscription's is its topic's name, a colon and an id. Of IAM's, no ARN has
// a region. What AWS has no ARN for is in the service holdfast.
var namedForms = map[key.ResourceKind]namedForm{
	key.KindRole:         {"iam", "role/"},
	key.KindIssuer:       {"iam", "oidc-provider/"},
	key.KindSecret:       {"secretsmanager", "secret:"},
	key.KindTopic:        {"sns", ""},
	key.KindSubscription: {"sns", ""},
	key.KindTrail:        {"cloudtrail", "trail/"},
	key.KindAlarm:        {"cloudwatch", "alarm:"},
	key.KindFunction:     {"lambda", "function:"},
	key.KindApproval:     {"holdfast", "approval/"},
}

// namedARN returns the ARN of a resource of one of namedForms.
func namedARN(r key.Resource) string {
	f, id := namedForms[r.Kind], r.ID
	if f.service == "iam" {
		r.Region = ""
	}
	if r.Kind == key.KindSubscription {
		topic, own := cutLast(id)
		id = topic + ":" + own
	}
	return ARN{Partition, f.service, r.Region, string(r.Realm), f.prefix + id}.String()
}

// parseNamed reads the ARN of a resource of one of namedForms, of which r has
// the realm and the region.
func parseNamed(a ARN, r key.Resource) (key.Resource, bool) {
	for kind, f := range namedForms {
		id, ok := strings.CutPrefix(a.Resource, f.prefix)
		if a.Service != f.service || !ok || id == "" || (f.service == "iam") != (r.Region == "") {
			continue
		}
		topic, own, subscribed := strings.Cut(id, ":")
		switch {
		case f.service != "sns":
			r.Kind, r.ID = kind, id
		case subscribed:
			r.Kind, r.ID = key.KindSubscription, topic+"/"+own
		default:
			r.Kind, r.ID = key.KindTopic, id
		}
		return r, true
	}
	return key.Resource{}, false
}
