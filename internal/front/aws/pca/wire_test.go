package pca_test

import (
	"flag"
	"fmt"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-kms/holdfast/internal/front/aws/pca"
)

var update = flag.Bool("update", false, "rewrite testdata/answers")

// TestWirePairs sends what botocore sends for every operation, signature
// included, and compares what the door is asked and what goes back.
func TestWirePairs(t *testing.T) {
	served := pca.Operations()
	for _, o := range served {
		t.Run(o.Name, func(t *testing.T) {
			r, at := recorded(t, filepath.Join("testdata", "requests", o.Name+".http"))
			d := newDoor()
			d.next = "next"
			w := httptest.NewRecorder()
			handler(d, func() time.Time { return at }).ServeHTTP(w, r)
			if d.refused != nil {
				t.Errorf("refused: %v", d.refused)
			}
			golden(t, filepath.Join("testdata", "answers", o.Name+".txt"),
				fmt.Sprintf("%s\n%d\n%s\n", strings.Join(d.log, "\n"), w.Code, w.Body), *update)
		})
	}
	files, err := filepath.Glob(filepath.Join("testdata", "requests", "*.http"))
	if err != nil || len(files) != len(served) || len(served) == 0 {
		t.Errorf("%d operations are served, %d requests are recorded: %v", len(served), len(files), err)
	}
}

// TestOperations holds the table against the list of AWS's operations (AWS
// SDK for Go v2, acmpca 1.56.10): nothing is missing, nothing is made up.
func TestOperations(t *testing.T) {
	const all = `CreateCertificateAuthority CreateCertificateAuthorityAuditReport CreatePermission DeleteCertificateAuthority
DeletePermission DeletePolicy DescribeCertificateAuthority DescribeCertificateAuthorityAuditReport GetCertificate
GetCertificateAuthorityCertificate GetCertificateAuthorityCsr GetPolicy ImportCertificateAuthorityCertificate IssueCertificate
ListCertificateAuthorities ListPermissions ListTags PutPolicy RestoreCertificateAuthority RevokeCertificate
TagCertificateAuthority UntagCertificateAuthority UpdateCertificateAuthority`
	var names []string
	for _, o := range pca.Operations() {
		names = append(names, o.Name)
		if !o.Served {
			t.Errorf("%s is not served", o.Name)
		}
	}
	if got, want := strings.Join(names, " "), strings.Join(strings.Fields(all), " "); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}
