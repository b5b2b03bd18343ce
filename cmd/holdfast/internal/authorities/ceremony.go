package authorities

import (
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/holdfast-kms/holdfast/internal/ceremony"
	"github.com/holdfast-kms/holdfast/internal/server"
	"github.com/holdfast-kms/holdfast/internal/terminal"
)

// ceremonyFlags are the flags of `ca ceremony`.
type ceremonyFlags struct {
	options    ceremony.Options
	file       string
	descriptor int
}

func (a *app) ceremony() *cobra.Command {
	var f ceremonyFlags
	cmd := &cobra.Command{
		Use: "ceremony SCRIPT", Short: "Conduct a key ceremony: an offline root, made by a script before witnesses", Args: cobra.ExactArgs(1),
		Long: "Conduct a key ceremony from a script in YAML, on a machine without a network: make the\n" +
			"data directory of an offline root, its key and certificate, sign the requests of\n" +
			"subordinate authorities and make the CRL. Each step is shown and confirmed by typing yes;\n" +
			"all of it goes into a transcript, which is signed at the end. A ceremony that was\n" +
			"interrupted is gone on with by the same command. No listener is ever opened.\n\n" +
			"--dir is where everything is kept, such as an encrypted stick: the data directory, and a\n" +
			"folder for each ceremony. --rehearse runs the script on keys that are good for nothing, in\n" +
			"a temporary directory; only there --yes confirms everything by itself.\n\n" +
			"docs/ceremony.md has a complete script, and what to do before and after.",
		Example: "  holdfast ca ceremony root.yaml --rehearse\n" +
			"  holdfast ca ceremony root.yaml --dir /media/root-ca\n" +
			"  holdfast ca ceremony verify /media/root-ca/example-root-2026/transcript.jsonl --certificate root.pem",
	}
	flags := cmd.Flags()
	flags.StringVar(&f.options.Dir, "dir", "", "the ceremony's directory; made when it is missing")
	flags.BoolVar(&f.options.Rehearse, "rehearse", false, "rehearse on keys that are good for nothing, in a temporary directory")
	flags.BoolVarP(&f.options.Unattended, "yes", "y", false, "confirm everything: only with --rehearse")
	flags.StringVar(&f.file, "passphrase-file", "", "a file with the data directory's passphrase, instead of typing it")
	flags.IntVar(&f.descriptor, "passphrase-fd", -1, "an open file descriptor to read the passphrase from, instead of typing it")
	terminal.CompleteDirectory(cmd, "dir")
	cmd.MarkFlagsMutuallyExclusive("passphrase-file", "passphrase-fd")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		f.options.Script = args[0]
		if err := a.readyForCeremony(&f); err != nil {
			return err
		}
		r, err := ceremony.Run(cmd.Context(), f.options)
		if err != nil {
			return err
		}
		return a.showCeremony(r)
	}
	cmd.AddCommand(a.ceremonyVerify())
	return cmd
}

// readyForCeremony checks the flags and completes the options.
func (a *app) readyForCeremony(f *ceremonyFlags) (err error) {
	o := &f.options
	switch {
	case o.Unattended && !o.Rehearse:
		return terminal.Usagef("--yes goes only with --rehearse: a person confirms each step of a ceremony")
	case o.Rehearse == (o.Dir != "" && o.Dir != os.Getenv(terminal.Variable("dir"))):
		return terminal.Usagef("give the ceremony's directory with --dir; or --rehearse, which makes one of its own")
	case !o.Unattended && !a.Interactive():
		return terminal.WrongUsage(terminal.Hint(fmt.Errorf("a ceremony needs a person at a terminal"), "a rehearsal without one: --rehearse --yes"))
	}
	if o.Passphrase, err = a.givenPassphrase(f); err != nil {
		return err
	}
	o.Version, o.Person = server.Version().Version, &person{&a.Terminal}
	return nil
}

// givenPassphrase reads a passphrase that is not to be typed.
func (a *app) givenPassphrase(f *ceremonyFlags) ([]byte, error) {
	switch {
	case f.file != "":
		return a.Passphrase(f.file)
	case f.descriptor >= 0:
		return a.Passphrase(fmt.Sprintf("/dev/fd/%d", f.descriptor))
	}
	return nil, nil
}

func (a *app) showCeremony(r *ceremony.Result) error {
	return a.Show(r, func(w *terminal.Table) {
		w.Row("")
		if r.Rehearsal {
			w.Row("*** This was a REHEARSAL: remove " + r.Directory + " ***")
		}
		w.Fact("Ceremony", r.Ceremony)
		w.Fact("Directory", r.Directory)
		w.Fact("Transcript", r.Transcript)
		w.Fact("SHA-256", r.SHA256)
		for _, f := range r.Files {
			w.Fact("Output", f.Name+"  SHA-256 "+f.SHA256)
		}
	})
}

// person is whoever sits at the terminal.
type person struct{ t *terminal.Terminal }

// Tell shows a line. It goes to standard error: the result is what is printed.
func (p *person) Tell(line string) error {
	lead := ""
	if strings.HasPrefix(line, "\n") {
		lead, line = "\n", line[1:]
	}
	_, err := fmt.Fprintln(p.t.Err, lead+terminal.Printable(line))
	return err
}

// Ask shows a question and reads a line.
func (p *person) Ask(question string) (string, error) { return p.t.Ask(question) }

// Secret asks for what is not shown.
func (p *person) Secret(question string) ([]byte, error) {
	return p.t.AskSecret(strings.TrimSuffix(question, ": "), "the passphrase is typed at a terminal, or comes by --passphrase-file or --passphrase-fd")
}

func (a *app) ceremonyVerify() *cobra.Command {
	var certificate string
	cmd := &cobra.Command{
		Use: "verify TRANSCRIPT", Short: "Verify a ceremony's transcript with the root's certificate", Args: cobra.ExactArgs(1),
		Long: "Verify the transcript of a ceremony, offline: that no line was changed, removed or put in,\n" +
			"that the data directory of the root signed it, and that the outputs which lie beside it are\n" +
			"those that the ceremony made. Compare the root's fingerprint with the one that was written\n" +
			"down. The exit status is 1 when anything is wrong.",
	}
	cmd.Flags().StringVar(&certificate, "certificate", "", "the file with the root's certificate, PEM or DER")
	terminal.Require(cmd, "certificate")
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		root, err := a.Read(certificate, terminal.MaxDocument)
		if err != nil {
			return err
		}
		r, err := ceremony.Verify(args[0], root)
		if err != nil {
			return fmt.Errorf("the transcript is NOT in order: %w", err)
		}
		return a.showTranscript(r)
	}
	return cmd
}

func (a *app) showTranscript(r *ceremony.Report) error {
	err := a.Show(r, func(w *terminal.Table) {
		if r.Rehearsal {
			w.Row("*** This is the transcript of a REHEARSAL ***")
		}
		w.Fact("Ceremony", r.Ceremony)
		w.Fact("Purpose", r.Purpose)
		w.Fact("Operator", r.Operator)
		w.Fact("Witnesses", r.Witnesses)
		w.Fact("Tool", r.Tool)
		w.Fact("Began", r.Began)
		w.Fact("Ended", r.Ended)
		w.Fact("Steps", r.Steps)
		if r.Interrupted > 0 {
			w.Fact("Interrupted", r.Interrupted)
		}
		w.Fact("Script", "SHA-256 "+r.ScriptSHA256)
		w.Fact("Transcript", "SHA-256 "+r.SHA256)
		w.Fact("Root", r.Root)
		w.Fact("Root", "SHA-256 "+r.RootSHA256)
		for _, f := range r.Files {
			w.Fact(f.Role, f.Name+"  SHA-256 "+f.SHA256)
		}
		w.Fact("Files compared", r.Checked)
		w.Fact("Not here", r.Missing)
	})
	if err != nil {
		return err
	}
	return a.Done("The transcript is in order.")
}
