package terminal

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/holdfast-kms/holdfast/client"
)

// FactorFlags adds --mfa and --factor to a command that makes a session.
func FactorFlags(cmd *cobra.Command, factor, code *string) {
	cmd.Flags().StringVar(code, "mfa", "", "the code that your second factor shows")
	cmd.Flags().StringVar(factor, "factor", "", "the second factor's name, when you have several")
}

// ShowSession prints a temporary credential as lines to source.
func (t *Terminal) ShowSession(s *client.Session) error {
	if err := t.Done("These credentials are shown only now. They hold until %s.", Cell(s.ExpiresAt)); err != nil {
		return err
	}
	return t.Show(s, func(w *Table) {
		Exports(w, s.AccessKeyID, s.SecretAccessKey)
		w.Row("export HOLDFAST_SESSION_TOKEN=" + s.SessionToken)
		w.Row("export AWS_SESSION_TOKEN=" + s.SessionToken)
	})
}

// Exports writes a credential as lines to source. Ids, secrets and tokens are
// of letters, digits and signs that a shell leaves alone.
func Exports(w *Table, id, secret string) {
	for _, api := range []string{"HOLDFAST", "AWS"} {
		w.Row(fmt.Sprintf("export %s_ACCESS_KEY_ID=%s", api, id))
		w.Row(fmt.Sprintf("export %s_SECRET_ACCESS_KEY=%s", api, secret))
	}
}
