package kms_test

import (
	"flag"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	awskms "github.com/holdfast-kms/holdfast/internal/front/aws/kms"
)

var update = flag.Bool("update", false, "rewrite testdata/answers")

// TestWirePairs sends what botocore sends for every operation, signature
// included, and compares what the door is asked and what goes back.
func TestWirePairs(t *testing.T) {
	served := 0
	for _, o := range awskms.Operations() {
		if !o.Served {
			continue
		}
		served++
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
	if err != nil || len(files) != served || served == 0 {
		t.Errorf("%d operations are served, %d requests are recorded: %v", served, len(files), err)
	}
	if _, err := os.Stat(filepath.Join("testdata", "answers")); err != nil {
		t.Error(err)
	}
}

// TestOperations holds the table against the list of AWS's operations (AWS
// SDK for Go v2, kms 1.62.4): nothing is missing, nothing is made up.
func TestOperations(t *testing.T) {
	const all = `CancelKeyDeletion ConnectCustomKeyStore CreateAlias CreateCustomKeyStore CreateGrant CreateKey Decapsulate Decrypt
DeleteAlias DeleteCustomKeyStore DeleteImportedKeyMaterial DeriveSharedSecret DescribeCustomKeyStores DescribeKey DisableKey
DisableKeyRotation DisconnectCustomKeyStore EnableKey EnableKeyRotation Encapsulate Encrypt GenerateDataKey GenerateDataKeyPair
GenerateDataKeyPairWithoutPlaintext GenerateDataKeyWithoutPlaintext GenerateMac GenerateRandom GetKeyLastUsage GetKeyPolicy
GetKeyRotationStatus GetParametersForImport GetPublicKey ImportKeyMaterial ListAliases ListGrants ListKeyPolicies ListKeyRotations
ListKeys ListResourceTags ListRetirableGrants PutKeyPolicy ReEncrypt ReplicateKey RetireGrant RevokeGrant RotateKeyOnDemand
ScheduleKeyDeletion Sign TagResource UntagResource UpdateAlias UpdateCustomKeyStore UpdateKeyDescription UpdatePrimaryRegion
Verify VerifyMac`
	var names []string
	for _, o := range awskms.Operations() {
		names = append(names, o.Name)
	}
	if got, want := strings.Join(names, " "), strings.Join(strings.Fields(all), " "); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}
