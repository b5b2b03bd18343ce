package native_test

import (
	"bufio"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/audit"
	"github.com/holdfast-kms/holdfast/internal/audit/index"
	"github.com/holdfast-kms/holdfast/internal/ca"
	rules "github.com/holdfast-kms/holdfast/internal/compliance"
	"github.com/holdfast-kms/holdfast/internal/compliance/survey"
	"github.com/holdfast-kms/holdfast/internal/entry"
	"github.com/holdfast-kms/holdfast/internal/guard"
	"github.com/holdfast-kms/holdfast/internal/identity"
	"github.com/holdfast-kms/holdfast/internal/inventory"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/kms"
	"github.com/holdfast-kms/holdfast/internal/wire/aws"
	"github.com/holdfast-kms/holdfast/internal/wire/keypolicy"
	wire "github.com/holdfast-kms/holdfast/internal/wire/native"
)

// newSurvey returns a survey of what the tests have.
func newSurvey(
	keys *kms.Service, issuers *ca.Service, certificates *inventory.Service, directory *identity.Directory, log *audit.Memory, g *guard.Guard,
) *survey.Service {
	return survey.New(survey.Config{
		Keys: keys, Authorities: issuers, Inventory: certificates, Holders: directory, Guard: g,
		Log:          index.Over(log, func(*entry.Entry, func(string, string)) {}),
		Statements:   func(d key.Document) ([]rules.Statement, error) { return keypolicy.Statements(d.Text) },
		Words:        func(s alg.Spec, u alg.Usage) (string, string) { return aws.SpecName(s), aws.UsageName(u) },
		Installation: func(context.Context, *key.Call, *rules.Installation) error { return nil },
	})
}

// TestCompliance: a report comes in lines, and its last line says that it is
// whole; what a request has no parameter for is refused by name.
func TestCompliance(t *testing.T) {
	h := newHouse(t)
	ask := func(query string) *httptest.ResponseRecorder {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "https://127.0.0.1/holdfast/v1/compliance"+query, nil)
		r.SetBasicAuth(h.id, h.secret)
		w := httptest.NewRecorder()
		h.front.ServeHTTP(w, r)
		return w
	}
	w := ask("?unused=30&hsm_tag=tier=gold&hsm_usage=SIGN_VERIFY,GENERATE_VERIFY_MAC")
	if w.Code != http.StatusOK || w.Header().Get("Content-Type") != "application/x-ndjson" {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	var report wire.ComplianceReport
	last := false
	for lines := bufio.NewScanner(w.Body); lines.Scan(); {
		var line wire.ComplianceLine
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil || last {
			t.Fatalf("%s: %v", lines.Text(), err)
		}
		last = report.Add(&line)
	}
	if !last || len(report.Results) != len(rules.Rules()) || report.GeneratedAt.IsZero() || len(report.Gaps) == 0 {
		t.Errorf("%+v", report)
	}
	if _, err := report.Report(); err != nil {
		t.Error(err)
	}
	for query, want := range map[string]string{
		"?older=3": `"older" is not known`, "?unused=x": `"unused" must be a number`, "?hsm_tag=gold": `"hsm_tag" must be NAME=VALUE`,
		"?hsm_usage=SIGN": `"SIGN", which is no usage`,
	} {
		if w := ask(query); w.Code != http.StatusBadRequest || !strings.Contains(strings.ReplaceAll(w.Body.String(), `\"`, `"`), want) {
			t.Errorf("%s: %d %s", query, w.Code, w.Body)
		}
	}
}
