package aws

import (
	"slices"
	"strconv"
	"strings"
)

// templatePrefix begins the ARNs of AWS Private CA's certificate templates,
// which have neither region nor account.
const templatePrefix = "arn:" + Partition + ":acm-pca:::template/"

// DefaultTemplate is the template of a request that names none.
const DefaultTemplate = "EndEntityCertificate/V1"

// Kinds of passing through, as the names of templates have them.
const (
	passCSR  = "_CSRPassthrough"
	passAPI  = "_APIPassthrough"
	passBoth = "_APICSRPassthrough" //nolint:gosec // a name, no credential
)

// templateNames are the names of all templates that AWS has published
// ("AWS Private CA template varieties", AWS Private CA User Guide), sorted.
var templateNames = func() []string {
	var names []string
	add := func(name string, kinds ...string) {
		for _, kind := range kinds {
			names = append(names, name+kind+"/V1")
		}
	}
	for _, name := range []string{
		"CodeSigningCertificate", "EndEntityCertificate", "EndEntityClientAuthCertificate",
		"EndEntityServerAuthCertificate", "OCSPSigningCertificate",
	} {
		add(name, "", passCSR, passAPI, passBoth)
	}
	add("RootCACertificate", "", passAPI)
	add("BlankRootCACertificate", passAPI)
	add("BlankEndEntityCertificate", passCSR, passAPI, passBoth)
	add("BlankEndEntityCertificate_CriticalBasicConstraints", passCSR, passAPI, passBoth)
	for length := range 4 {
		path := "_PathLen" + strconv.Itoa(length)
		add("SubordinateCACertificate"+path, "", passCSR, passAPI, passBoth)
		add("BlankSubordinateCACertificate"+path, passCSR, passAPI, passBoth)
		add("BlankRootCACertificate"+path, passAPI)
	}
	slices.Sort(names)
	return names
}()

// Templates returns the names of all templates, such as
// "EndEntityCertificate/V1", sorted.
func Templates() []string { return slices.Clone(templateNames) }

// TemplateARN returns the ARN of a template.
func TemplateARN(name string) string { return templatePrefix + name }

// ParseTemplate returns the name of the template that an ARN is of.
func ParseTemplate(arn string) (name string, ok bool) {
	name, ok = strings.CutPrefix(arn, templatePrefix)
	if !ok {
		return "", false
	}
	_, ok = slices.BinarySearch(templateNames, name)
	return name, ok
}
