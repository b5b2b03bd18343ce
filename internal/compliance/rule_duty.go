package compliance

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

func dutyRules() []Rule {
	put := map[Place]string{
		Holdfast: "holdfast key policy put {id} --in {policy.json} --region {region}",
		AWS:      "aws kms put-key-policy --region {region} --key-id {id} --policy file://{policy.json}",
	}
	return []Rule{
		{
			ID: "same-caller-administers-and-uses", Title: "Somebody both administered and used a key", Severity: Medium, Category: Duties,
			Controls: []string{"NIST SP 800-53 r5 AC-5", "PCI DSS 4.0 7.2.2"},
			Advice:   "Have different principals administer a key and use it.",
			Mend:     put, key: bothDone,
		},
		{
			ID: "same-caller-may-administer-and-use", Title: "Policies let a principal both administer and use a key", Severity: Low, Category: Duties,
			Controls: []string{"NIST SP 800-53 r5 AC-5", "PCI DSS 4.0 7.2.2"},
			Advice:   "Have policies allow administration and use to different principals.",
			Mend:     put, key: bothAllowed,
		},
	}
}

func bothDone(_ *Moment, k *Key) Outcome {
	if k.Foreign {
		return exempt()
	}
	a, ok := k.Activity.Get()
	if !ok {
		return unknown(k.Activity.Why())
	}
	var both []string
	for _, who := range a.Users {
		if slices.Contains(a.Administrators, who) {
			both = append(both, who)
		}
	}
	if len(both) > 0 {
		return failed("Since %s administered and used by %s", a.Since.Format(time.DateOnly), some(both))
	}
	return passed()
}

func bothAllowed(_ *Moment, k *Key) Outcome {
	if k.Foreign {
		return exempt()
	}
	both, ok := k.Both.Get()
	switch {
	case !ok:
		return unknown(k.Both.Why())
	case len(both) > 0:
		return failed("Allowed to %s", some(both))
	}
	return passed()
}

// some names at most five principals.
func some(names []string) string {
	const most = 5
	slices.Sort(names)
	if len(names) > most {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
	}
	return strings.Join(names, ", ")
}
