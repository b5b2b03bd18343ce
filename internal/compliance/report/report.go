// Package report writes what package compliance found: as text for people, as
// a page of HTML, as CSV, as SARIF 2.1.0, and in the JSON form of a checker
// that many know.
//
// Start with Write. Each format has a file.
//
// The package is internal and may change with any release. What it writes for
// programs stays as it is within v1: members may be added.
package report

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/holdfast-kms/holdfast/internal/compliance"
	"github.com/holdfast-kms/holdfast/internal/fault"
)

// Format is a form of a report.
type Format string

// The formats.
const (
	Text  Format = "text"
	JSON  Format = "json"
	SARIF Format = "sarif"
	CSV   Format = "csv"
	HTML  Format = "html"
)

// Formats returns every format.
func Formats() []Format { return []Format{Text, JSON, SARIF, CSV, HTML} }

// Producer is what made the report.
type Producer struct{ Version string }

// Write writes a report.
func Write(w io.Writer, f Format, r *compliance.Report, p Producer) error {
	switch f {
	case Text:
		return writeText(w, r)
	case JSON:
		return writeJSON(w, r)
	case SARIF:
		return writeSARIF(w, r, p)
	case CSV:
		return writeCSV(w, r)
	case HTML:
		return writeHTML(w, r, p)
	}
	names := make([]string, len(Formats()))
	for i, f := range Formats() {
		names[i] = string(f)
	}
	return fault.New(fault.InvalidArgument, "%q is no format: %s", string(f), strings.Join(names, ", "))
}

// called returns how people call what a finding is about.
func called(f *compliance.Finding) string {
	if f.Name != "" {
		return f.Name
	}
	return f.Resource
}

// excused returns who answers for a finding and until when, "" for nobody.
func excused(f *compliance.Finding) string {
	x := f.Exception
	if x == nil {
		return ""
	}
	return fmt.Sprintf("excused by %s until %s: %s", x.Owner, x.Until, x.Reason)
}

// counts returns what was found, in a sentence.
func counts(r *compliance.Report) string {
	n := func(s compliance.Severity) int { return r.Count(s) }
	text := fmt.Sprintf("%d findings: %d HIGH, %d MEDIUM, %d LOW", n(compliance.High)+n(compliance.Medium)+n(compliance.Low),
		n(compliance.High), n(compliance.Medium), n(compliance.Low))
	if e := slices.IndexFunc(r.Findings, func(f compliance.Finding) bool { return f.Exception != nil }); e >= 0 {
		text += fmt.Sprintf("; %d more are excused", len(r.Findings)-n(compliance.High)-n(compliance.Medium)-n(compliance.Low))
	}
	if r.More > 0 {
		text += fmt.Sprintf("; %d were too many to list", r.More)
	}
	return text
}
