package acm_test

import (
	"flag"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-kms/holdfast/internal/front/aws/acm"
)

var update = flag.Bool("update", false, "rewrite testdata/answers and the page for users")

// privateKey is what differs in each export: salt and vector are random.
var privateKey = regexp.MustCompile(`(-----BEGIN ENCRYPTED PRIVATE KEY-----\\n)[^-]*`)

// TestWirePairs sends what botocore sends for every operation, signature
// included, and compares what the door is asked and what goes back.
func TestWirePairs(t *testing.T) {
	served := 0
	for _, o := range acm.Operations() {
		if !o.Served {
			continue
		}
		served++
		t.Run(o.Name, func(t *testing.T) {
			r, at := recorded(t, filepath.Join("testdata", "requests", o.Name+".http"))
			d := newDoor(t)
			d.next = "next"
			w := httptest.NewRecorder()
			handler(d, func() time.Time { return at }).ServeHTTP(w, r)
			if d.refused != nil {
				t.Errorf("refused: %v", d.refused)
			}
			body := privateKey.ReplaceAllString(w.Body.String(), "$1…\\n")
			golden(t, filepath.Join("testdata", "answers", o.Name+".txt"), fmt.Sprintf("%s\n%d\n%s\n", strings.Join(d.log, "\n"), w.Code, body))
		})
	}
	files, err := filepath.Glob(filepath.Join("testdata", "requests", "*.http"))
	if err != nil || len(files) != served || served == 0 {
		t.Errorf("%d operations are served, %d requests are recorded: %v", served, len(files), err)
	}
}

func golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s: got\n%s\nwant\n%s", path, got, want)
	}
}

// TestOperations holds the table against the list of AWS's operations (AWS SDK
// for Go v2, acm 1.51.3): nothing is missing, nothing is made up.
func TestOperations(t *testing.T) {
	const all = `AddTagsToCertificate CreateAcmeDomainValidation CreateAcmeEndpoint CreateAcmeExternalAccountBinding
DeleteAcmeDomainValidation DeleteAcmeEndpoint DeleteAcmeExternalAccountBinding DeleteCertificate DescribeAcmeAccount
DescribeAcmeDomainValidation DescribeAcmeEndpoint DescribeAcmeExternalAccountBinding DescribeCertificate ExportCertificate
GetAccountConfiguration GetAcmeExternalAccountBindingCredentials GetCertificate ImportCertificate ListAcmeAccounts
ListAcmeDomainValidations ListAcmeEndpoints ListAcmeExternalAccountBindings ListCertificateDomainValidations ListCertificates
ListTagsForCertificate ListTagsForResource PutAccountConfiguration RemoveTagsFromCertificate RenewCertificate
RequestCertificate ResendValidationEmail RevokeAcmeAccount RevokeAcmeExternalAccountBinding RevokeCertificate
SearchCertificates TagResource UntagResource UpdateAcmeDomainValidation UpdateAcmeEndpoint UpdateCertificateOptions`
	var names []string
	for _, o := range acm.Operations() {
		names = append(names, o.Name)
	}
	if got, want := strings.Join(names, " "), strings.Join(strings.Fields(all), " "); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// TestDocumentation holds that the page for users says what is implemented.
func TestDocumentation(t *testing.T) {
	path := filepath.Join("..", "..", "..", "..", "docs", "aws-acm.md")
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var served, unserved []string
	for _, o := range acm.Operations() {
		if o.Served {
			served = append(served, o.Name)
		} else {
			unserved = append(unserved, o.Name)
		}
	}
	text := fmt.Sprintf("%d of %d: %s.\n\nNot served: %s.\n", len(served), len(served)+len(unserved), strings.Join(served, ", "), strings.Join(unserved, ", "))
	const begin, end = "<!-- operations: written by go test ./internal/front/aws/acm -update -->\n", "<!-- end of operations -->"
	before, rest, ok := strings.Cut(string(raw), begin)
	_, after, closed := strings.Cut(rest, end)
	if !ok || !closed {
		t.Fatal("the page has no marks for the operations")
	}
	want := before + begin + text + end + after
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	if want != string(raw) {
		t.Error("docs/aws-acm.md is out of date: go test ./internal/front/aws/acm -update")
	}
}
