package authority

import (
	"strings"
	"testing"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/key"
)

// TestLife is the table of docs/certificates.md: what each state allows, P
// Pending, A Active, D Disabled, E Expired, R Revoked, X Deleted, F Failed and
// C Creating.
func TestLife(t *testing.T) {
	letters := map[rune]State{
		'C': Creating, 'P': Pending, 'A': Active, 'D': Disabled, 'E': Expired, 'R': Revoked, 'X': Deleted, 'F': Failed,
	}
	if len(letters) != len(States()) {
		t.Fatalf("%d states, %d letters", len(States()), len(letters))
	}
	for action, want := range map[key.Action]string{
		key.DescribeAuthority:          "CPADERXF",
		key.ListAuthorityTags:          "CPADERXF",
		key.ListPermissions:            "CPADERXF",
		key.GetAuthorityPolicy:         "CPADERXF",
		key.GetCertificate:             "CPADERXF",
		key.ListCertificates:           "CPADERXF",
		key.IssueCertificate:           "A",
		key.RevokeCertificate:          "ADERF",
		key.CreateAuditReport:          "ADERF",
		key.UpdateAuthority:            "AD",
		key.ImportAuthorityCertificate: "PADE",
		key.RenewAuthority:             "ADE",
		key.RekeyAuthority:             "ADERF",
		key.GetAuthorityCSR:            "PADER",
		key.GetAuthorityCertificate:    "ADERF",
		key.DeleteAuthority:            "PDERF",
		key.RestoreAuthority:           "X",
		key.TagAuthority:               "PADERF",
		key.UntagAuthority:             "PADERF",
		key.PutAuthorityPolicy:         "PADERF",
		key.DeleteAuthorityPolicy:      "PADERF",
		key.CreatePermission:           "PADERF",
		key.DeletePermission:           "PADERF",
	} {
		for letter, state := range letters {
			err := state.Permit(action)
			if allowed := strings.ContainsRune(want, letter); allowed != (err == nil) {
				t.Errorf("%s of an authority that is %s: %v", action, state, err)
			}
			if err != nil && fault.KindOf(err) != fault.WrongState {
				t.Errorf("%s of an authority that is %s: %v is of another kind", action, state, err)
			}
		}
	}
}

// TestReasonsOfStates: what an API has an error of its own for.
func TestReasonsOfStates(t *testing.T) {
	for state, want := range map[State]fault.Reason{
		Creating: fault.AuthorityCreating, Pending: fault.AuthorityPending, Disabled: fault.AuthorityDisabled,
		Expired: fault.AuthorityExpired, Deleted: fault.AuthorityDeleted, Revoked: 0, Failed: 0,
	} {
		if err := state.Permit(key.IssueCertificate); fault.ReasonOf(err) != want {
			t.Errorf("%s: %v has the reason %d, want %d", state, err, fault.ReasonOf(err), want)
		}
	}
}
