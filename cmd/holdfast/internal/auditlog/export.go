package auditlog

import (
	"compress/gzip"
	"context"
	"errors"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/holdfast-kms/holdfast/client"
	"github.com/holdfast-kms/holdfast/internal/audit"
	"github.com/holdfast-kms/holdfast/internal/auditformat"
	"github.com/holdfast-kms/holdfast/internal/terminal"
)

func (a *app) export() *cobra.Command {
	var s auditSource
	var f search
	var format, out string
	var compressed bool
	cmd := &cobra.Command{
		Use: "export", Short: "Write entries in the formats of other systems", Args: cobra.NoArgs,
		Long: "Write all entries that match, oldest first, in the form of another system: the files of\n" +
			"AWS CloudTrail (cloudtrail), events of OCSF 1.8.0 (ocsf, one a line), ArcSight's Common\n" +
			"Event Format (cef), or as the log has them (jsonl).",
		Example: "  holdfast audit export --format cloudtrail --since 24h --gzip --out yesterday.json.gz\n" +
			"  holdfast audit export --format ocsf --dir /var/lib/holdfast --since 2026-11-01T00:00:00Z --until 2026-12-01T00:00:00Z",
	}
	s.flags(cmd, "without it the server is asked")
	f.flags(cmd)
	flags := cmd.Flags()
	flags.StringVar(&format, "format", auditformat.JSONL.String(), strings.Join(auditformat.Formats(), ", "))
	flags.StringVar(&out, "out", "-", "the file to write; - is standard output")
	flags.BoolVar(&compressed, "gzip", false, "compress what is written")
	terminal.Complete(cmd, "format", auditformat.Formats())
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := terminal.CheckName("format", format, auditformat.Formats(), func(string) bool { return false }); err != nil {
			return err
		}
		if err := f.read(); err != nil {
			return err
		}
		if s.local() {
			return a.writeOut(out, compressed, func(w io.Writer) error { return s.export(cmd.Context(), w, &f, format) })
		}
		return a.Remote(func(ctx context.Context, c *client.Client, _ []string) error {
			return a.writeOut(out, compressed, func(w io.Writer) error { return c.ExportAudit(ctx, f.filter, format, w) })
		})(cmd, args)
	}
	return cmd
}

// export writes out a log in a directory.
func (s *auditSource) export(ctx context.Context, w io.Writer, f *search, format string) error {
	id, err := audit.Files(s.log()).LogID()
	if err != nil {
		return err
	}
	kind, _ := auditformat.ParseFormat(format) // it was checked
	return auditformat.Export(w, s.entries().Read(ctx, localFilter(&f.filter)), kind, auditformat.New(id, ""))
}

// writeOut has a file written, which is not there before it is whole, or
// standard output.
func (a *app) writeOut(out string, compressed bool, write func(io.Writer) error) error {
	zipped := func(w io.Writer) error {
		if !compressed {
			return write(w)
		}
		z := gzip.NewWriter(w)
		return errors.Join(write(z), z.Close())
	}
	if out == "-" {
		return zipped(a.Out)
	}
	return terminal.ReplaceFile(out, func(file *os.File) error { return zipped(file) })
}
