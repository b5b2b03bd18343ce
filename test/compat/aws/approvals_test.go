package aws

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/kms"

	"github.com/holdfast-kms/holdfast/test/compat"
)

// critical are the rules of the server of TestApprovals.
const critical = `approvals:
  rules:
    - {name: deletions, actions: ["key:ScheduleDeletion"], require: approval}
    - {name: values, actions: ["secret:Create"], require: approval}
    - {name: switches, actions: ["key:Disable"], require: mfa}
`

// TestApprovals has a server with critical operations, and the programs of AWS
// meet them: refused, approved by somebody else, done once.
func TestApprovals(t *testing.T) {
	t.Parallel()
	tg, _ := setup(t)
	onlyOurs(t, tg)
	need(t, programs().aws)
	own := tg.critical(t)
	const all = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}`
	alice, who := newUser(t, own, all)
	bob, _ := newUser(t, own, all)
	code := device(t, own, filepath.Base(who))
	k, err := own.kms(own.creds).CreateKey(t.Context(), &kms.CreateKeyInput{})
	if err != nil {
		t.Fatal(err)
	}
	_, err = own.kms(alice).DisableKey(t.Context(), &kms.DisableKeyInput{KeyId: k.KeyMetadata.KeyId})
	tells(t, err, "AccessDeniedException", "with a second factor")
	programs := *own
	programs.env = append(programs.env, "HOLDFAST="+own.server.Binary, "MFA_KEY="+*k.KeyMetadata.KeyId,
		"ALICE="+alice.AccessKeyID+" "+alice.SecretAccessKey, "BOB="+bob.AccessKeyID+" "+bob.SecretAccessKey,
		"SERIAL=arn:aws:iam::"+own.account+":mfa/"+filepath.Base(who), "CODE="+code())
	programs.execute(t, t.TempDir(), "bash", "-c", "ENDPOINT_FLAG="+own.endpointFlag()+`; . "$0"; . "$1"`,
		absolute(t, "testdata/prelude.bash"), absolute(t, "testdata/approvals/approvals.sh"))
}

// critical starts a server with rules of critical operations.
func (t *target) critical(tt *testing.T) *target {
	tt.Helper()
	dir := tt.TempDir()
	file := filepath.Join(dir, "approvals.yaml")
	if err := os.WriteFile(file, []byte(critical), 0o600); err != nil {
		tt.Fatal(err)
	}
	s, err := compat.Start(tt.Context(), t.server.Binary, filepath.Join(dir, "data"), "--config", file)
	if err != nil {
		tt.Fatal(err)
	}
	tt.Cleanup(func() {
		if err := s.Stop(); err != nil {
			tt.Error(err)
		}
	})
	own, err := t.at(s)
	if err != nil {
		tt.Fatal(err)
	}
	return own
}
