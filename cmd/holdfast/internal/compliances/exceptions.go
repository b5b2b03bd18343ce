package compliances

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/holdfast-kms/holdfast/internal/compliance"
	"github.com/holdfast-kms/holdfast/internal/compliance/document"
	"github.com/holdfast-kms/holdfast/internal/terminal"
)

// exception is an exception as --json has it.
type exception struct {
	Rule     string `json:"rule"`
	Resource string `json:"resource"`
	Owner    string `json:"owner"`
	Reason   string `json:"reason"`
	Until    string `json:"until"`
	Expired  bool   `json:"expired"`
}

func (a *app) exceptions() *cobra.Command {
	return terminal.Group("exception", "Keep the list of who answers for which findings until when", a.listExceptions(), a.addException())
}

func (a *app) listExceptions() *cobra.Command {
	var path string
	cmd := &cobra.Command{
		Use: "list", Short: "List the exceptions of a file, and which have ended", Args: cobra.NoArgs,
		Example: "  holdfast compliance exception list --exceptions accepted.yaml",
	}
	pathFlag(cmd, &path)
	cmd.RunE = func(*cobra.Command, []string) error {
		read, err := a.read(path)
		if err != nil {
			return err
		}
		list := []exception{}
		for i := range read {
			x := &read[i]
			list = append(list, exception{x.Rule, x.Resource, x.Owner, x.Reason, x.Until, x.Expired(time.Now())})
		}
		return a.Show(list, func(w *terminal.Table) {
			w.Row("RULE", "RESOURCE", "OWNER", "UNTIL", "STATE", "REASON")
			for i := range list {
				x := &list[i]
				state := "counts"
				if x.Expired {
					state = "ended"
				}
				w.Row(x.Rule, x.Resource, x.Owner, x.Until, state, x.Reason)
			}
		})
	}
	return cmd
}

// pathFlag adds --exceptions, which is required.
func pathFlag(cmd *cobra.Command, path *string) {
	cmd.Flags().StringVar(path, "exceptions", "", "the file with the exceptions (required)")
	_ = cmd.MarkFlagRequired("exceptions") // the flag is there
}

func (a *app) addException() *cobra.Command {
	var path string
	var x compliance.Exception
	cmd := &cobra.Command{
		Use: "add", Short: "Add an exception to a file, which is made if it is missing", Args: cobra.NoArgs,
		Long: "Add an exception to a file, which is made if it is missing. What is in it stays as it is. A\n" +
			"resource is named as findings name it, or by the name or id that they have; * at its end\n" +
			"stands for any rest.",
		Example: "  holdfast compliance exception add --exceptions accepted.yaml --rule key-rotation-off --resource alias/legacy \\\n" +
			"    --owner payments@example.com --reason \"replaced with the terminals\" --until 2027-06-30",
	}
	pathFlag(cmd, &path)
	f := cmd.Flags()
	f.StringVar(&x.Rule, "rule", "", "the rule")
	f.StringVar(&x.Resource, "resource", "", "the resource")
	f.StringVar(&x.Owner, "owner", "", "who answers for it")
	f.StringVar(&x.Reason, "reason", "", "why it is accepted")
	f.StringVar(&x.Until, "until", "", "the last day, such as 2027-06-30")
	var ids []string
	for _, r := range compliance.Rules() {
		ids = append(ids, r.ID)
	}
	terminal.Complete(cmd, "rule", ids)
	cmd.RunE = func(*cobra.Command, []string) error {
		if err := x.Check(); err != nil {
			return terminal.WrongUsage(terminal.Plain(err))
		}
		text, err := appended(path, &x)
		if err != nil {
			return err
		}
		if err := a.write(path, func(w io.Writer) error { _, err := w.Write(text); return err }); err != nil {
			return err
		}
		return a.Done("%s answers for %s of %s until %s", x.Owner, x.Rule, x.Resource, x.Until)
	}
	return cmd
}

// appended returns the text of a file with an exception more at its end, which
// is still such a file.
func appended(path string, x *compliance.Exception) ([]byte, error) {
	text, err := os.ReadFile(path) //nolint:gosec // the path is the user's own
	switch {
	case errors.Is(err, fs.ErrNotExist):
		text = fmt.Appendf(nil, "version: %d\nexceptions:\n", document.Version)
	case err != nil:
		return nil, err
	}
	if !bytes.HasSuffix(text, []byte("\n")) {
		text = append(text, '\n')
	}
	for i, pair := range [][2]string{{"rule", x.Rule}, {"resource", x.Resource}, {"owner", x.Owner}, {"reason", x.Reason}, {"until", x.Until}} {
		lead := "    "
		if i == 0 {
			lead = "  - "
		}
		text = fmt.Appendf(text, "%s%s: %s\n", lead, pair[0], strconv.Quote(pair[1]))
	}
	if _, err := document.Parse(text); err != nil {
		return nil, fmt.Errorf("%s cannot be continued: %w", path, terminal.Plain(err))
	}
	return text, nil
}
