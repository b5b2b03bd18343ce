package client_test

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/holdfast-kms/holdfast/client"
)

// TestCompliance: a report has its findings, and settings reach the server.
func TestCompliance(t *testing.T) {
	c := start(t)
	makeKey(t, c, "ECC_NIST_P256", "alias/ca")
	r, err := c.CheckCompliance(t.Context(), client.ComplianceSettings{})
	if err != nil {
		t.Fatal(err)
	}
	of := func(r *client.ComplianceReport, rule string) bool {
		return slices.ContainsFunc(r.Findings, func(f client.ComplianceFinding) bool { return f.Rule == rule })
	}
	if !of(r, "use-not-logged") || of(r, "key-outside-hsm") || len(r.Results) == 0 || r.GeneratedAt.IsZero() {
		t.Errorf("%+v", r)
	}
	if r, err = c.CheckCompliance(t.Context(), client.ComplianceSettings{HSMUsages: []string{"SIGN_VERIFY"}}); err != nil || !of(r, "key-outside-hsm") {
		t.Errorf("%+v, %v", r, err)
	}
	_, err = c.CheckCompliance(t.Context(), client.ComplianceSettings{HSMUsages: []string{"SING"}})
	if kind := client.KindOf(err); kind != client.InvalidArgument {
		t.Errorf("a wrong usage gives %v", err)
	}
}

// TestComplianceCutOff: a report without its end is none.
func TestComplianceCutOff(t *testing.T) {
	for name, body := range map[string]string{
		"nothing": "", "no end": `{"begin":{"place":"x"}}` + "\n", "half a line": `{"begin":{"place":"x"}}` + "\n" + `{"find`,
	} {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/x-ndjson")
			_, _ = w.Write([]byte(body)) // the test is about who reads it
		}))
		c, err := client.New(client.Config{Address: s.URL, AccessKeyID: "a", SecretAccessKey: "b"})
		if err != nil {
			t.Fatal(err)
		}
		if r, err := c.CheckCompliance(t.Context(), client.ComplianceSettings{}); err == nil || !strings.Contains(err.Error(), "reading the server's answer") {
			t.Errorf("%s: %+v, %v", name, r, err)
		}
		s.Close()
	}
}
