package approvals

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"

	"github.com/holdfast-kms/holdfast/client"
	"github.com/holdfast-kms/holdfast/internal/terminal"
)

// facts shows a request.
func facts(w *terminal.Table, r *client.Approval) {
	w.Fact("Approval", r.ID)
	w.Fact("State", r.State)
	if r.Needed > 0 {
		w.Fact("Given", given(r))
	}
	w.Fact("Requester", visible(r.Requester))
	w.Fact("Person", visible(r.Person))
	w.Fact("Reason", visible(r.Reason))
	w.Fact("Action", r.Action)
	w.Fact("Resource", visible(r.Resource))
	w.Fact("Region", visible(r.Region))
	w.Fact("Operation", r.API+" "+r.Operation)
	w.Fact("Rules", visible(strings.Join(r.Rules, ", ")))
	w.Fact("Tried", r.CreatedAt)
	w.Fact("Filed", r.FiledAt)
	if r.EndedAt.IsZero() {
		w.Fact("Expires", r.ExpiresAt)
	}
	w.Fact("Ended", r.EndedAt)
	w.Fact("Used by", r.UsedBy)
	w.Fact("Digest", r.Digest)
	for i := range r.Decisions {
		d := &r.Decisions[i]
		verdict := "denied"
		if d.Approved {
			verdict = "approved"
		}
		w.Fact("Decision", fmt.Sprintf("%s by %s at %s%s", verdict, visible(d.By), terminal.Cell(d.At), remarks(d)))
	}
	if r.Request == "" {
		return
	}
	lines(w, "Request", r.Request)
	// JSON within the JSON, as policies are in AWS's APIs.
	var members map[string]any
	if json.Unmarshal([]byte(r.Request), &members) != nil {
		return
	}
	for _, name := range slices.Sorted(maps.Keys(members)) {
		if text, ok := members[name].(string); ok && strings.HasPrefix(strings.TrimSpace(text), "{") && json.Valid([]byte(text)) {
			lines(w, visible(name), text)
		}
	}
}

// lines writes a text, JSON with its lines indented and otherwise as it is: a
// member that is there twice is seen twice.
func lines(w *terminal.Table, name, text string) {
	var b bytes.Buffer
	if json.Indent(&b, []byte(text), "", "  ") == nil {
		text = b.String()
	}
	w.Row(name + ":")
	for line := range strings.Lines(text) {
		w.Row("  " + visible(strings.TrimSuffix(line, "\n")))
	}
}

// remarks tells the rest of a decision.
func remarks(d *client.ApprovalDecision) string {
	var b strings.Builder
	if d.Person != "" {
		b.WriteString(", who is " + visible(d.Person))
	}
	if d.MFA {
		b.WriteString(", with a second factor")
	}
	if d.Comment != "" {
		b.WriteString(": " + visible(d.Comment))
	}
	return b.String()
}

// visible writes characters that steer a terminal, or that nobody sees, such as
// those that turn the direction of a text, as their code points: who approves
// has to see what there is.
func visible(text string) string {
	var b strings.Builder
	for _, r := range text {
		if unicode.IsGraphic(r) && r != unicode.ReplacementChar {
			b.WriteRune(r)
			continue
		}
		fmt.Fprintf(&b, `\u%04x`, r)
	}
	return b.String()
}
