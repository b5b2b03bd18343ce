package report

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/holdfast-kms/holdfast/internal/compliance"
)

// The form is that of "Static Analysis Results Interchange Format (SARIF)
// Version 2.1.0" (OASIS Standard), as far as it is needed.
type (
	sarifLog struct {
		Schema  string     `json:"$schema"`
		Version string     `json:"version"`
		Runs    []sarifRun `json:"runs"`
	}
	sarifRun struct {
		Tool        sarifTool         `json:"tool"`
		Invocations []sarifInvocation `json:"invocations"`
		Results     []sarifResult     `json:"results"`
		Properties  map[string]any    `json:"properties"`
	}
	sarifTool struct {
		Driver sarifDriver `json:"driver"`
	}
	sarifDriver struct {
		Name    string      `json:"name"`
		Version string      `json:"version,omitempty"`
		Rules   []sarifRule `json:"rules"`
	}
	sarifRule struct {
		ID               string         `json:"id"`
		ShortDescription sarifText      `json:"shortDescription"`
		Help             sarifText      `json:"help"`
		Default          sarifLevel     `json:"defaultConfiguration"`
		Properties       map[string]any `json:"properties"`
	}
	sarifLevel struct {
		Level string `json:"level"`
	}
	sarifText struct {
		Text string `json:"text"`
	}
	sarifInvocation struct {
		Successful    bool                `json:"executionSuccessful"`
		EndTime       string              `json:"endTimeUtc"`
		Notifications []sarifNotification `json:"toolExecutionNotifications,omitempty"`
	}
	sarifNotification struct {
		Level      string          `json:"level"`
		Message    sarifText       `json:"message"`
		Associated sarifRuleTarget `json:"associatedRule"`
	}
	sarifRuleTarget struct {
		ID string `json:"id"`
	}
	sarifResult struct {
		RuleID       string             `json:"ruleId"`
		RuleIndex    int                `json:"ruleIndex"`
		Level        string             `json:"level"`
		Message      sarifText          `json:"message"`
		Locations    []sarifLocation    `json:"locations"`
		Fingerprints map[string]string  `json:"partialFingerprints"`
		Suppressions []sarifSuppression `json:"suppressions,omitempty"`
		Properties   map[string]any     `json:"properties"`
	}
	sarifLocation struct {
		Physical sarifPhysical  `json:"physicalLocation"`
		Logical  []sarifLogical `json:"logicalLocations"`
	}
	sarifPhysical struct {
		Artifact sarifArtifact `json:"artifactLocation"`
	}
	sarifArtifact struct {
		URI string `json:"uri"`
	}
	sarifLogical struct {
		Name      string `json:"name"`
		Qualified string `json:"fullyQualifiedName"`
		Kind      string `json:"kind"`
	}
	sarifSuppression struct {
		Kind          string         `json:"kind"`
		Status        string         `json:"status"`
		Justification string         `json:"justification"`
		Properties    map[string]any `json:"properties"`
	}
)

// levels are SARIF's words for severities (section 3.27.10), and scores those
// that code scanning of GitHub sorts by (its property security-severity).
var (
	levels = map[compliance.Severity]string{compliance.High: "error", compliance.Medium: "warning", compliance.Low: "note"}
	scores = map[compliance.Severity]string{compliance.High: "8.0", compliance.Medium: "5.0", compliance.Low: "3.0"}
)

func writeSARIF(w io.Writer, r *compliance.Report, p Producer) error {
	rules := compliance.Rules()
	run := sarifRun{
		Tool:        sarifTool{sarifDriver{Name: "holdfast compliance", Version: p.Version, Rules: make([]sarifRule, len(rules))}},
		Invocations: []sarifInvocation{{Successful: true, EndTime: r.GeneratedAt.Format(time.RFC3339)}}, // whose section 3.9 wants a Z
		Results:     []sarifResult{}, Properties: map[string]any{"place": r.Place, "unlisted": r.More},
	}
	for i := range rules {
		run.Tool.Driver.Rules[i] = sarifRuleOf(&rules[i])
	}
	for _, g := range r.Gaps {
		run.Invocations[0].Notifications = append(run.Invocations[0].Notifications, sarifNotification{
			Level: "note", Message: sarifText{"Not evaluated for " + g.Example + ": " + g.Reason}, Associated: sarifRuleTarget{g.Rule},
		})
	}
	for i := range r.Findings {
		f := &r.Findings[i]
		index := slices.IndexFunc(rules, func(x compliance.Rule) bool { return x.ID == f.Rule })
		run.Results = append(run.Results, sarifResultOf(f, index))
	}
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(&sarifLog{
		Schema: "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json", Version: "2.1.0", Runs: []sarifRun{run},
	})
}

func sarifRuleOf(r *compliance.Rule) sarifRule {
	return sarifRule{
		ID: r.ID, ShortDescription: sarifText{r.Title}, Help: sarifText{r.Advice}, Default: sarifLevel{levels[r.Severity]},
		Properties: map[string]any{
			"category": string(r.Category), "controls": r.Controls, "severity": r.Severity.String(), "security-severity": scores[r.Severity],
			"tags": []string{"security", "compliance", string(r.Category)},
		},
	}
}

func sarifResultOf(f *compliance.Finding, index int) sarifResult {
	properties := map[string]any{"severity": f.Severity.String(), "controls": f.Controls, "advice": f.Advice}
	for name, v := range map[string]string{"command": f.Command, "name": f.Name, "region": f.Region} {
		if v != "" {
			properties[name] = v
		}
	}
	out := sarifResult{
		RuleID: f.Rule, RuleIndex: index, Level: levels[f.Severity], Message: sarifText{called(f) + ": " + f.Evidence},
		Locations: []sarifLocation{{
			Physical: sarifPhysical{sarifArtifact{"holdfast/" + uriPath(f.Resource)}},
			Logical:  []sarifLogical{{Name: called(f), Qualified: f.Resource, Kind: "resource"}},
		}},
		Fingerprints: map[string]string{"resource/v1": fingerprint(f)}, Properties: properties,
	}
	if x := f.Exception; x != nil {
		out.Suppressions = []sarifSuppression{{
			Kind: "external", Status: "accepted", Justification: x.Reason, Properties: map[string]any{"owner": x.Owner, "until": x.Until},
		}}
	}
	return out
}

// uriPath returns a resource's name as a path of a URI (RFC 3986).
func uriPath(name string) string {
	parts := strings.Split(name, "/")
	for i := range parts {
		parts[i] = url.PathEscape(parts[i])
	}
	return strings.Join(parts, "/")
}

// fingerprint tells a finding apart, whatever its evidence says today.
func fingerprint(f *compliance.Finding) string {
	sum := sha256.Sum256([]byte(f.Rule + "\n" + f.Resource))
	return hex.EncodeToString(sum[:16])
}
