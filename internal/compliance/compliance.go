// Package compliance says what is wrong with how keys, certificates and the
// installation that has them are kept: rules, which are pure functions over
// typed facts, in one table.
//
// Start with Rules and with Checker, which judges facts as they come and makes
// a Report. fact.go has the facts, and who tells them is somebody else: package
// survey those of Holdfast itself, the engines those of the accounts that they
// reach. What nobody could tell is "not evaluated", with the reason: never
// passed.
//
// The package is internal and may change with any release. The rules' ids stay
// as they are within v1: exceptions name them.
package compliance

import (
	"slices"
	"time"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/key"
)

// Severity says how bad a finding is.
type Severity uint8

// The severities.
const (
	Low Severity = iota + 1
	Medium
	High
)

var severityNames = [...]string{Low: "LOW", Medium: "MEDIUM", High: "HIGH"}

// String returns "LOW", "MEDIUM" or "HIGH".
func (s Severity) String() string {
	if int(s) < len(severityNames) {
		return severityNames[s]
	}
	return ""
}

// ParseSeverity returns the severity of a name that String gives, or 0.
func ParseSeverity(name string) Severity {
	return Severity(max(0, slices.Index(severityNames[:], name))) //nolint:gosec // an index of the table
}

// Subject says what a rule is about.
type Subject string

// The subjects.
const (
	SubjectKey          Subject = "key"
	SubjectCertificate  Subject = "certificate"
	SubjectInstallation Subject = "installation" // or an account in a cloud
	SubjectException    Subject = "exception"
)

// Category groups rules in reports.
type Category string

// The categories. The first three are the groups of the text that the report's
// JSON form comes from.
const (
	KeyRotation  Category = "key_rotation"
	KeyPolicies  Category = "key_policies"
	Logging      Category = "logging"
	Algorithms   Category = "algorithms"
	KeyStorage   Category = "key_storage"
	Duties       Category = "separation_of_duties"
	KeyUse       Category = "key_use"
	Certificates Category = "certificates"
	Exceptions   Category = "exceptions"
)

// Categories returns every category, in the order of reports.
func Categories() []Category {
	return []Category{KeyRotation, KeyPolicies, Logging, Algorithms, KeyStorage, Duties, KeyUse, Certificates, Exceptions}
}

// Settings are the numbers that organisations choose for themselves.
type Settings struct {
	// KeyAge is the age in days beyond which a key is old.
	KeyAge int
	// Unused is for how many days a key may do nothing.
	Unused int
	// ServerLife is how many days a certificate of a TLS server may last.
	ServerLife int
	// Expiring is how many days before its end a certificate is to be replaced, and
	// AuthorityExpiring the same of an authority's own.
	Expiring, AuthorityExpiring int
	// Retention is for how many days the audit log has to be kept.
	Retention int
	// HSMTag is the tag of keys that have to be in an HSM, and HSMUsages are usages
	// of which all have to. Keys of authorities have to in any case.
	HSMTag    key.Tag
	HSMUsages []alg.Usage
}

// Defaults returns the settings that nobody changed.
func Defaults() Settings {
	return Settings{
		KeyAge: 3 * 365, Unused: 90, ServerLife: 398, Expiring: 30, AuthorityExpiring: 180, Retention: 365,
		HSMTag: key.Tag{Key: "protection", Value: "hsm"},
	}
}

// Moment is what a rule judges by beside the facts.
type Moment struct {
	Settings
	Now time.Time
}

// days returns how many whole days passed since a time.
func (m *Moment) days(since time.Time) int { return int(m.Now.Sub(since) / day) }

const day = 24 * time.Hour
