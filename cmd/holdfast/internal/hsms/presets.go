package hsms

import (
	"strings"

	"github.com/spf13/cobra"

	"github.com/holdfast-kms/holdfast/internal/hsm/preset"
	"github.com/holdfast-kms/holdfast/internal/terminal"
)

// shown is a preset as the command prints it.
type shown struct {
	Name    string   `json:"name"`
	Maker   string   `json:"maker"`
	Product string   `json:"product"`
	Modules []string `json:"modules"`
	PIN     string   `json:"pin,omitempty"`
	Workers int      `json:"workers,omitempty"`
	Notes   []string `json:"notes,omitempty"`
	Tested  bool     `json:"tested"`
	Source  string   `json:"source"`
}

func (a *app) presets() *cobra.Command {
	cmd := &cobra.Command{
		Use: "presets", Short: "List the makers whose modules are known", Args: cobra.NoArgs,
		Long: "List the makers whose modules are known, and what has to be heeded with each. The facts are\n" +
			"from the makers' public documentation; \"tested\" says whether Holdfast's own tests run with it.",
		Example: "  holdfast hsm presets",
	}
	cmd.RunE = func(*cobra.Command, []string) error {
		all := []shown{}
		for _, p := range preset.All() {
			all = append(all, shown{p.Name, p.Maker, p.Product, p.Modules, p.PIN, p.Workers, p.Notes, p.Tested, p.Source})
		}
		return a.Show(all, func(w *terminal.Table) {
			for i, p := range all {
				if i > 0 {
					w.Row()
				}
				w.Fact("Preset", p.Name)
				w.Fact("Maker", p.Maker+", "+p.Product)
				w.Fact("Tested", map[bool]string{true: "yes", false: "no"}[p.Tested])
				w.Fact("Modules", strings.Join(p.Modules, ", "))
				w.Fact("PIN", p.PIN)
				for _, note := range p.Notes {
					w.Fact("Note", note)
				}
				w.Fact("Source", p.Source)
			}
		})
	}
	return cmd
}
