// Package auditlog has the commands of the noun audit: they verify a log in a
// directory, and read it there or from a server.
//
// Start with New. The package is internal and may change with any release.
package auditlog

import (
	"context"
	"crypto/ed25519"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/holdfast-kms/holdfast/client"
	"github.com/holdfast-kms/holdfast/internal/audit"
	"github.com/holdfast-kms/holdfast/internal/audit/index"
	"github.com/holdfast-kms/holdfast/internal/terminal"
	"github.com/holdfast-kms/holdfast/internal/wire/native"
)

const (
	// auditDirectory is where a data directory has its audit log, indexDirectory
	// where that has its index, auditKey the public key that verifies it.
	auditDirectory = "audit"
	indexDirectory = "index"
	auditKey       = "audit.pub"
	// followInterval is how often `audit tail --follow` asks a server.
	followInterval = time.Second
)

// app is what the package's commands share.
type app struct{ *terminal.App }

// New returns `holdfast audit`.
func New(t *terminal.App) *cobra.Command {
	a := &app{t}
	return a.Connection(terminal.Group("audit", "Verify and read the audit log", a.auditVerify(), a.auditTail(), a.auditSearch(), a.export(), a.sinks(), a.holds()))
}

// auditSource is where a command finds the log.
type auditSource struct{ dir string }

func (s *auditSource) flags(cmd *cobra.Command, otherwise string) {
	cmd.Flags().StringVar(&s.dir, "dir", "", "a server's data directory, or its audit log; "+otherwise)
	terminal.CompleteDirectory(cmd, "dir")
}

// log returns the directory of the log itself.
func (s *auditSource) log() string {
	inside := filepath.Join(s.dir, auditDirectory)
	if info, err := os.Stat(inside); err == nil && info.IsDir() {
		return inside
	}
	return s.dir
}

// entries returns the log in the directory, with its index where it has one.
func (s *auditSource) entries() audit.Source {
	log, dir := audit.Files(s.log()), filepath.Join(s.log(), indexDirectory)
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return log
	}
	x, err := index.Open(index.Config{Log: log, Dir: dir, ReadOnly: true})
	if err != nil {
		return log // an index is only for speed
	}
	return x
}

// local reports whether the log is to be read from a directory: one that the
// command line names, or one of the environment's that has a log.
func (s *auditSource) local() bool {
	implied := s.dir == os.Getenv(terminal.Variable("dir"))
	return s.dir != "" && (!implied || s.log() != s.dir)
}

func (a *app) auditVerify() *cobra.Command {
	var s auditSource
	var publicKey string
	var kept []string
	cmd := &cobra.Command{
		Use: "verify", Short: "Check that no entry was changed, removed or moved", Args: cobra.NoArgs,
		Long: "Check the whole audit log: every entry's hash, the chain through all files, and the\n" +
			"signatures of the checkpoints. The exit status is 1 when anything is wrong. The log may\n" +
			"be in use, or be a copy. That its end was cut off shows only against a checkpoint that\n" +
			"was kept elsewhere: keep what \"audit verify --json\" prints, or the checkpoints that the\n" +
			"server writes to its log, and give them to --kept.",
		Example: "  holdfast audit verify --dir /var/lib/holdfast\n" +
			"  holdfast audit verify --dir /mnt/copy --public-key audit.pub --kept last-month.json",
	}
	s.flags(cmd, "it is needed")
	cmd.Flags().StringVar(&publicKey, "public-key", "", "the PEM file that verifies the checkpoints; without it audit.pub of the data directory")
	cmd.Flags().StringArrayVar(&kept, "kept", nil, "a file with a checkpoint that the log must hold: an earlier report in JSON, or a checkpoint as the server's log has it (repeatable)")
	cmd.RunE = func(*cobra.Command, []string) error {
		if s.dir == "" {
			return terminal.WrongUsage(terminal.Hint(errors.New("no directory is named"), "give the server's data directory with --dir, or set HOLDFAST_DIR"))
		}
		if publicKey == "" {
			publicKey = filepath.Join(filepath.Dir(s.log()), auditKey)
		}
		pub, err := readPublicKey(publicKey)
		if err != nil {
			return err
		}
		checkpoints, err := readKept(kept)
		if err != nil {
			return err
		}
		report, err := audit.Verify(s.log(), pub, checkpoints...)
		if err != nil {
			return err
		}
		return a.showReport(&report)
	}
	return cmd
}

// readPublicKey reads the key that verifies checkpoints.
func readPublicKey(path string) (ed25519.PublicKey, error) {
	text, err := os.ReadFile(path) //nolint:gosec // the path is the user's own
	if errors.Is(err, os.ErrNotExist) {
		return nil, terminal.Hint(fmt.Errorf("the public key %s does not exist", path),
			"--dir is to be the server's data directory; else name the key's file with --public-key")
	}
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, fmt.Errorf("the file %s has no public key in PEM", path)
	}
	parsed, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("reading the public key %s: %w", path, err)
	}
	pub, ok := parsed.(ed25519.PublicKey)
	if !ok {
		return nil, fmt.Errorf("the public key %s is not of the kind Ed25519", path)
	}
	return pub, nil
}

// readKept reads checkpoints that were kept: those of earlier reports, and
// bare ones.
func readKept(paths []string) ([]audit.Checkpoint, error) {
	var list []audit.Checkpoint
	for _, path := range paths {
		text, err := os.ReadFile(path) //nolint:gosec // the path is the user's own
		if err != nil {
			return nil, err
		}
		var kept struct {
			Report audit.Checkpoint `json:"checkpoint"`
			audit.Checkpoint
		}
		err = json.Unmarshal(text, &kept)
		c := kept.Checkpoint
		if c.Signature == nil {
			c = kept.Report
		}
		if err != nil || c.Signature == nil {
			return nil, fmt.Errorf("the file %s has no checkpoint: it is neither a report of \"holdfast audit verify --json\" nor a checkpoint of the server's log", path)
		}
		list = append(list, c)
	}
	return list, nil
}

// showReport tells what Verify found. Problems are a failure.
func (a *app) showReport(r *audit.Report) error {
	err := a.Show(r, func(w *terminal.Table) {
		for _, p := range r.Problems {
			w.Row("PROBLEM: " + p.String())
		}
		w.Fact("Log", r.Log)
		w.Fact("Entries", fmt.Sprintf("%d (%d to %d) in %d files", r.Entries, r.First, r.Last, r.Segments))
		if m := r.Retention; m != nil {
			w.Fact("Retention", fmt.Sprintf("entries before %d were removed on %s, as a mark signed with the log's key says", m.First, terminal.Cell(m.Time)))
		}
		w.Fact("From", r.FirstTime)
		w.Fact("To", r.LastTime)
		w.Fact("Checkpoints", r.Checkpoints)
		w.Fact("Not signed yet", fmt.Sprintf("%d entries", r.Unsigned))
	})
	if err != nil || r.OK() {
		return errors.Join(err, a.verified(r))
	}
	return fmt.Errorf("the audit log is NOT intact: %d problems", len(r.Problems)+r.Omitted)
}

func (a *app) verified(r *audit.Report) error {
	if !r.OK() {
		return nil
	}
	return a.Done("The audit log is intact.")
}

// search is the flags that choose entries.
type search struct {
	filter       client.AuditFilter
	since, until string
}

func (f *search) flags(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.filter.Action, "action", "", "the action, such as key:Sign; * stands for any text")
	flags.StringVar(&f.filter.Principal, "principal", "", "who called, such as 123456789012:user:alice; * stands for any text")
	flags.StringVar(&f.filter.Resource, "resource", "", "what the call was about; * stands for any text")
	flags.StringVar(&f.filter.Result, "result", "", "ok, or the kind of failure, such as \"permission denied\"; * stands for any text")
	flags.StringVar(&f.filter.RequestID, "request", "", "the request's id")
	flags.StringVar(&f.since, "since", "", "the earliest time: RFC 3339, or a time ago such as 24h")
	flags.StringVar(&f.until, "until", "", "the time before which: RFC 3339, or a time ago such as 1h")
	terminal.Complete(cmd, "action", actionNames())
}

// read puts the times into the filter.
func (f *search) read() (err error) {
	if f.filter.Since, err = terminal.Moment("since", f.since); err == nil {
		f.filter.Until, err = terminal.Moment("until", f.until)
	}
	return err
}

func (a *app) auditTail() *cobra.Command {
	var s auditSource
	var f search
	var follow bool
	cmd := &cobra.Command{
		Use: "tail", Short: "Print the newest entries", Args: cobra.NoArgs,
		Example: "  holdfast audit tail --follow\n  holdfast audit tail --lines 50 --result \"permission denied\"",
	}
	s.flags(cmd, "without it the server is asked")
	f.flags(cmd)
	cmd.Flags().IntVarP(&f.filter.Last, "lines", "n", 10, "how many entries, at most 1000")
	cmd.Flags().BoolVarP(&follow, "follow", "f", false, "go on with new entries until interrupted")
	cmd.RunE = a.auditRead(&s, &f, func(ctx context.Context, c *client.Client) iter.Seq2[client.AuditRecord, error] {
		if c == nil {
			return localRecords(s.entries().Tail(ctx, f.filter.Last, localFilter(&f.filter), follow))
		}
		return tailOf(ctx, c, f.filter, follow)
	})
	return cmd
}

func (a *app) auditSearch() *cobra.Command {
	var s auditSource
	var f search
	cmd := &cobra.Command{
		Use: "search", Short: "Print the entries that match, oldest first", Args: cobra.NoArgs,
		Example: "  holdfast audit search --action key:Sign --since 24h\n  holdfast audit search --result \"permission denied\" --json",
	}
	s.flags(cmd, "without it the server is asked")
	f.flags(cmd)
	cmd.RunE = a.auditRead(&s, &f, func(ctx context.Context, c *client.Client) iter.Seq2[client.AuditRecord, error] {
		if c == nil {
			return localRecords(s.entries().Read(ctx, localFilter(&f.filter)))
		}
		return searchOf(ctx, c, f.filter)
	})
	return cmd
}

// auditRead returns the RunE of a command that prints entries; records is
// called without a client when they are read from a directory.
func (a *app) auditRead(
	s *auditSource, f *search, records func(context.Context, *client.Client) iter.Seq2[client.AuditRecord, error],
) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		if err := f.read(); err != nil {
			return err
		}
		if s.local() {
			return terminal.Stream(&a.Terminal, records(cmd.Context(), nil), recordLine)
		}
		return a.Remote(func(ctx context.Context, c *client.Client, _ []string) error {
			return terminal.Stream(&a.Terminal, records(ctx, c), recordLine)
		})(cmd, args)
	}
}

// localFilter is the filter for a log in a directory.
func localFilter(f *client.AuditFilter) audit.Filter {
	return audit.Filter{
		From: f.Since, Until: f.Until, Action: f.Action, Principal: f.Principal, Resource: f.Resource,
		Result: f.Result, RequestID: f.RequestID,
	}
}

// localRecords puts entries of a directory into the API's shape.
func localRecords(all iter.Seq2[*audit.Record, error]) iter.Seq2[client.AuditRecord, error] {
	return func(yield func(client.AuditRecord, error) bool) {
		for r, err := range all {
			if err != nil {
				yield(client.AuditRecord{}, err)
				return
			}
			if !yield(native.AuditRecordOf(r), nil) {
				return
			}
		}
	}
}
