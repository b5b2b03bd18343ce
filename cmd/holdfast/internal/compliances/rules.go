package compliances

import (
	"strings"

	"github.com/spf13/cobra"

	"github.com/holdfast-kms/holdfast/internal/compliance"
	"github.com/holdfast-kms/holdfast/internal/terminal"
)

// rule is a rule as --json has it.
type rule struct {
	ID       string            `json:"id"`
	Title    string            `json:"title"`
	Severity string            `json:"severity"`
	Category string            `json:"category"`
	Subject  string            `json:"subject"`
	Controls []string          `json:"controls"`
	Advice   string            `json:"advice"`
	Commands map[string]string `json:"commands,omitempty"`
}

func (a *app) rules() *cobra.Command {
	return &cobra.Command{
		Use: "rules", Short: "List the rules, and which controls they show", Args: cobra.NoArgs,
		Long:    "List the rules, and which controls they show. No server is asked. With --json also what to\ndo, and by which command.",
		Example: "  holdfast compliance rules",
		RunE: func(*cobra.Command, []string) error {
			list := []rule{}
			for _, r := range compliance.Rules() {
				x := rule{
					ID: r.ID, Title: r.Title, Severity: r.Severity.String(), Category: string(r.Category), Subject: string(r.Subject()),
					Controls: r.Controls, Advice: r.Advice, Commands: map[string]string{},
				}
				for at, command := range r.Mend {
					x.Commands[string(at)] = command
				}
				list = append(list, x)
			}
			return a.Show(list, func(w *terminal.Table) {
				w.Row("RULE", "SEVERITY", "TITLE", "CONTROLS")
				for i := range list {
					r := &list[i]
					w.Row(r.ID, r.Severity, r.Title, strings.Join(r.Controls, "; "))
				}
			})
		},
	}
}
