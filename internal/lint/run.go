package lint

import (
	"fmt"

	zx509 "github.com/zmap/zcrypto/x509"
	"github.com/zmap/zlint/v3/lint"
)

// Running a lint as zlint's own Execute does takes a result for each lint
// that does not apply, and a look at a configuration that has nothing to say.
// At a hundred and forty lints for every certificate that is most of the
// cost, so check runs them in the same order with the same questions and
// without that. A test compares the two.

// check is one of zlint's lints for certificates, ready to run.
type check struct {
	*lint.CertificateLint
	// needs is the object identifier of an extension without which the lint
	// does not apply, "" when there is none such.
	needs string
	// configurable lints are left to zlint's runner.
	configurable bool
}

// newCheck returns the check of a lint.
func newCheck(l *lint.CertificateLint, needs map[string]string) check {
	_, configurable := l.Lint().(lint.Configurable)
	return check{l, needs[l.Name], configurable}
}

// run returns the lint's result, nil when it does not apply.
func (k *check) run(c *zx509.Certificate, config lint.Configuration) *lint.LintResult {
	if k.needs != "" {
		if _, has := c.ExtensionsMap[k.needs]; !has {
			return nil
		}
	}
	if k.configurable {
		return k.Execute(c, config)
	}
	one := k.Lint()
	if !one.CheckApplies(c) || !k.CheckEffective(c) {
		return nil
	}
	return one.Execute(c)
}

// runAll adds the results of zlint's lints. A lint that panics has found what
// its author did not think of: that refuses, by its name.
func (l *Linter) runAll(c *zx509.Certificate, f *Findings) {
	current := ""
	defer func() {
		if cause := recover(); cause != nil {
			f.Errors = append(f.Errors, fmt.Sprintf("%s (which panicked)", current))
		}
	}()
	for i := range l.certificates {
		k := &l.certificates[i]
		current = k.Name
		if result := k.run(c, l.config); result != nil {
			f.add(k.Name, result)
		}
	}
}

// extensionLints returns, for lints that look at one extension which few
// certificates have, that extension: their CheckApplies asks for nothing else.
func extensionLints() map[string]string {
	needs := map[string]string{}
	for oid, names := range map[string][]string{
		"2.5.29.9": {"e_ext_subject_directory_attr_critical"},
		"2.5.29.18": {
			"e_ext_ian_uri_host_not_fqdn_or_ip", "e_ext_ian_empty_name", "e_ext_ian_uri_format_invalid", "e_ext_ian_uri_not_ia5",
			"e_ext_ian_no_entries", "e_ext_ian_uri_relative", "e_ext_ian_dns_not_ia5_string", "e_ext_ian_rfc822_format_invalid",
			"e_ext_ian_space_dns_name", "e_ian_dns_name_starts_with_period", "e_ian_wildcard_not_first",
			"e_ian_dns_name_includes_null_char", "e_ian_bare_wildcard",
		},
		"2.5.29.30": {
			"e_name_constraint_not_fqdn", "w_name_constraint_on_registered_id", "e_ext_name_constraints_not_critical",
			"e_name_constraint_maximum_not_absent", "w_name_constraint_on_edi_party_name", "e_ext_name_constraints_not_in_ca",
			"w_name_constraint_on_x400", "e_name_constraint_minimum_non_zero", "e_name_constraint_empty",
		},
		"2.5.29.32": {"w_ext_cert_policy_contains_noticeref", "e_ext_cert_policy_disallowed_any_policy_qualifier"},
		"2.5.29.33": {"w_ext_policy_map_not_in_cert_policy", "e_ext_policy_map_any_policy", "w_ext_policy_map_not_critical"},
		"2.5.29.36": {"e_ext_policy_constraints_not_critical", "e_ext_policy_constraints_empty"},
	} {
		for _, name := range names {
			needs[name] = oid
		}
	}
	return needs
}
