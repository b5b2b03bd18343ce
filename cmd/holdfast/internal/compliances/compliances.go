// Package compliances has the commands of the noun compliance: what is wrong
// with how keys and certificates are kept, by which rules, and who answers for
// what is accepted.
//
// Start with New. The package is internal and may change with any release.
package compliances

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/holdfast-kms/holdfast/client"
	"github.com/holdfast-kms/holdfast/internal/compliance"
	"github.com/holdfast-kms/holdfast/internal/compliance/document"
	"github.com/holdfast-kms/holdfast/internal/compliance/report"
	"github.com/holdfast-kms/holdfast/internal/place"
	"github.com/holdfast-kms/holdfast/internal/terminal"
)

// app is what the package's commands share.
type app struct {
	*terminal.App
	version string
}

// New returns `holdfast compliance`.
func New(t *terminal.App) *cobra.Command {
	a := &app{App: t, version: t.UserAgent[strings.LastIndexByte(t.UserAgent, '/')+1:]}
	return a.Connection(terminal.Group(
		"compliance", "Check how keys and certificates are kept against the rules of NIST, PCI, FIPS and CNSA", a.check(), a.rules(), a.exceptions(),
	))
}

// never is the severity at which a check never fails.
const never = "never"

// options is the flags of a check.
type options struct {
	settings       client.ComplianceSettings
	at             []string
	format         string
	out            string
	exceptionsFile string
	failOn         string
}

func (o *options) flags(cmd *cobra.Command) {
	f, s, d := cmd.Flags(), &o.settings, compliance.Defaults()
	f.StringArrayVar(&o.at, "at", nil, "check a key service elsewhere, by its URI, in the place of the server (repeatable)")
	f.StringVar(&o.format, "format", "text", "text, json, sarif, csv or html")
	f.StringVar(&o.out, "out", "-", "the file to write; - is standard output")
	f.StringVar(&o.exceptionsFile, "exceptions", "", "a file with who answers for which findings until when")
	f.StringVar(&o.failOn, "fail-on", compliance.High.String(), "fail at findings of this severity or a worse one: HIGH, MEDIUM, LOW or never")
	f.IntVar(&s.KeyAge, "key-age", d.KeyAge, "the age in days beyond which a key is old")
	f.IntVar(&s.Unused, "unused", d.Unused, "for how many days a key may do nothing")
	f.IntVar(&s.ServerLife, "server-life", d.ServerLife, "how many days a certificate of a TLS server may last")
	f.IntVar(&s.Expiring, "expiring", d.Expiring, "how many days before its end a certificate is to be replaced")
	f.IntVar(&s.AuthorityExpiring, "authority-expiring", d.AuthorityExpiring, "the same of an authority's own certificate")
	f.IntVar(&s.Retention, "retention", d.Retention, "for how many days the audit log has to be kept")
	f.StringVar(&s.HSMTag, "hsm-tag", d.HSMTag.Key+"="+d.HSMTag.Value, "the tag of keys that have to be in an HSM")
	f.StringSliceVar(&s.HSMUsages, "hsm-usage", nil, "usages of which all keys have to be in an HSM, such as SIGN_VERIFY")
	formats := make([]string, len(report.Formats()))
	for i, x := range report.Formats() {
		formats[i] = string(x)
	}
	terminal.Complete(cmd, "format", formats)
	terminal.Complete(cmd, "fail-on", []string{"HIGH", "MEDIUM", "LOW", never})
}

func (a *app) check() *cobra.Command {
	var o options
	cmd := &cobra.Command{
		Use: "check", Short: "Look for what is wrong with how keys and certificates are kept", Args: cobra.NoArgs,
		Long: "Look for what is wrong with how the server keeps the keys and certificates of your realm, as\n" +
			"far as you may see them. With --at, key services elsewhere are looked at from here, with the\n" +
			"credentials that are here: accounts of AWS with all that they tell, Azure Key Vault, Google\n" +
			"Cloud KMS and Vault as far as their lists of keys go. What cannot be told is listed as not\n" +
			"evaluated, and never counts as passed.\n\n" +
			"The exit status is 1 when there is a finding of the severity of --fail-on or a worse one\n" +
			"that no exception excuses, or when the check failed; 2 is wrong usage.",
		Example: "  holdfast compliance check\n" +
			"  holdfast compliance check --format html --out compliance.html --exceptions accepted.yaml --fail-on MEDIUM\n" +
			"  holdfast compliance check --at 'awskms:///?region=eu-central-1&profile=audit' --format sarif",
	}
	o.flags(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return a.run(cmd.Context(), &o) }
	return cmd
}

// run checks and writes the report. That there are findings is told after it.
func (a *app) run(ctx context.Context, o *options) error {
	worst := compliance.ParseSeverity(o.failOn)
	if worst == 0 && o.failOn != never {
		return terminal.Usagef("--fail-on %q is none of HIGH, MEDIUM, LOW and %s", o.failOn, never)
	}
	format := report.Format(o.format)
	if a.JSON && o.format == string(report.Text) {
		format = report.JSON
	}
	if !slices.Contains(report.Formats(), format) {
		return terminal.Usagef("--format %q is none of text, json, sarif, csv and html", o.format)
	}
	moment, err := o.moment()
	if err != nil {
		return err
	}
	exceptions, err := a.read(o.exceptionsFile)
	if err != nil {
		return err
	}
	r, err := a.look(ctx, o, moment)
	if err != nil {
		return err
	}
	for _, x := range r.Excuse(exceptions, *moment) {
		if err := a.Done("nothing is left of what the exception for %s of %s excuses: remove it", x.Rule, x.Resource); err != nil {
			return err
		}
	}
	if err := a.write(o.out, func(w io.Writer) error { return report.Write(w, format, r, report.Producer{Version: a.version}) }); err != nil {
		return err
	}
	if worst > 0 && r.Worst() >= worst {
		return fmt.Errorf("there are findings of severity %s", r.Worst())
	}
	return nil
}

// moment returns what the flags say, for what is judged here.
func (o *options) moment() (*compliance.Moment, error) {
	s := &o.settings
	m := &compliance.Moment{Now: time.Now().UTC(), Settings: compliance.Defaults()}
	m.KeyAge, m.Unused, m.ServerLife, m.Expiring = s.KeyAge, s.Unused, s.ServerLife, s.Expiring
	m.AuthorityExpiring, m.Retention = s.AuthorityExpiring, s.Retention
	name, value, ok := strings.Cut(s.HSMTag, "=")
	if !ok || name == "" {
		return nil, terminal.Usagef("--hsm-tag %q is not NAME=VALUE", s.HSMTag)
	}
	m.HSMTag.Key, m.HSMTag.Value = name, value
	for _, n := range []int{s.KeyAge, s.Unused, s.ServerLife, s.Expiring, s.AuthorityExpiring, s.Retention} {
		if n < 1 {
			return nil, terminal.Usagef("a number of days is 1 or more")
		}
	}
	return m, nil
}

// look looks at the server, or at the places that are named.
func (a *app) look(ctx context.Context, o *options, m *compliance.Moment) (*compliance.Report, error) {
	if len(o.at) == 0 {
		c, err := a.Connect()
		if err != nil {
			return nil, err
		}
		r, err := c.CheckCompliance(ctx, o.settings)
		if err != nil {
			return nil, terminal.Explain(err, c.Address())
		}
		return r.Report()
	}
	var all *compliance.Report
	for _, uri := range o.at {
		r, err := a.lookAt(ctx, uri, m)
		if err != nil {
			return nil, fmt.Errorf("looking at %s: %w", uri, terminal.Plain(err))
		}
		if all == nil {
			all = r
			continue
		}
		all.Merge(r)
	}
	return all, nil
}

// lookAt looks at a key service.
func (a *app) lookAt(ctx context.Context, uri string, m *compliance.Moment) (*compliance.Report, error) {
	u, err := place.Parse(uri)
	if err != nil {
		return nil, terminal.WrongUsage(err)
	}
	c := compliance.NewChecker(u.String(), m.Settings, m.Now)
	if err := place.Survey(ctx, u, &place.Settings{Timeout: a.Timeout(), Log: slog.New(slog.DiscardHandler)}, c); err != nil {
		return nil, err
	}
	return c.Report(), nil
}

// write has something written to a file or to standard output.
func (a *app) write(out string, write func(io.Writer) error) error {
	if out == "-" {
		return write(a.Out)
	}
	return terminal.ReplaceFile(out, func(f *os.File) error { return write(f) })
}

// read reads a file with exceptions, none for "".
func (a *app) read(path string) ([]compliance.Exception, error) {
	if path == "" {
		return nil, nil
	}
	text, err := a.Read(path, document.MaxSize)
	if err != nil {
		return nil, err
	}
	list, err := document.Parse(text)
	if err != nil {
		return nil, terminal.WrongUsage(fmt.Errorf("%s: %w", path, terminal.Plain(err)))
	}
	return list, nil
}
