package compliance

import (
	"slices"
	"strings"
)

func policyRules() []Rule {
	put := map[Place]string{
		Holdfast: "holdfast key policy put {id} --in {policy.json} --region {region}",
		AWS:      "aws kms put-key-policy --region {region} --key-id {id} --policy file://{policy.json}",
	}
	return []Rule{
		{
			ID: "policy-open-to-all", Title: "A key policy lets every principal in", Severity: High, Category: KeyPolicies,
			Controls: []string{"PCI DSS 4.0 3.6.1.3", "PCI DSS 4.0 7.2.2", "NIST SP 800-53 r5 AC-6"},
			Advice:   "Name the principals that need the key.",
			Mend:     put, key: openToAll,
		},
		{
			ID: "policy-open-under-conditions", Title: "A key policy lets every principal in that fulfils conditions", Severity: Low, Category: KeyPolicies,
			Controls: []string{"PCI DSS 4.0 7.2.2", "NIST SP 800-53 r5 AC-6"},
			Advice:   "Name the principals that need the key, or make sure that the conditions leave nobody else in.",
			Mend:     put, key: openUnderConditions,
		},
		{
			ID: "policy-all-actions", Title: "A key policy allows all actions", Severity: Medium, Category: KeyPolicies,
			Controls: []string{"PCI DSS 4.0 7.2.2", "NIST SP 800-53 r5 AC-6"},
			Advice:   "Allow the actions that each principal needs, and administration and use to different ones.",
			Mend:     put, key: allActions,
		},
	}
}

// statements judges the statements of a key's policy.
func statements(k *Key, evidence string, wrong func(*Statement) bool) Outcome {
	if k.Foreign {
		return exempt()
	}
	list, ok := k.Policy.Get()
	if !ok {
		return unknown(k.Policy.Why())
	}
	var labels, conditions []string
	for i := range list {
		if s := &list[i]; wrong(s) {
			labels = append(labels, s.Label)
			conditions = append(conditions, s.Conditions...)
		}
	}
	if len(labels) == 0 {
		return passed()
	}
	slices.Sort(conditions)
	text := evidence + ": statement " + strings.Join(labels, ", ")
	if conditions = slices.Compact(conditions); len(conditions) > 0 {
		text += ", under conditions on " + strings.Join(conditions, ", ")
	}
	return failed("%s", text)
}

func openToAll(_ *Moment, k *Key) Outcome {
	return statements(k, "The key policy allows access to all principals", func(s *Statement) bool { return s.Everyone && len(s.Conditions) == 0 })
}

func openUnderConditions(_ *Moment, k *Key) Outcome {
	return statements(k, "The key policy allows access to all principals", func(s *Statement) bool { return s.Everyone && len(s.Conditions) > 0 })
}

func allActions(_ *Moment, k *Key) Outcome {
	return statements(k, "The key policy allows all actions on the key", func(s *Statement) bool { return s.All })
}
