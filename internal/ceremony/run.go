package ceremony

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/holdfast-kms/holdfast/internal/durable"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/key"
)

// The facts of events that this package itself reads again.
const (
	factFormat       = "format"
	factScript       = "script sha256"
	factRehearsal    = "rehearsal"
	factCeremony     = "ceremony"
	factOperator     = "operator"
	factInstallation = "installation"
	factAuditKey     = "audit key sha256"
	factCertificate  = "certificate sha256"
	factSigner       = "signer"
	factName         = "name"
)

// tries is how often a person may mistype.
const tries = 3

// action is what a step does.
type action interface {
	kind() string
	// check finds what is wrong with the settings themselves.
	check() error
	// outputs are the files that the step writes.
	outputs() []string
	// describe says what will be done, for the person who confirms it.
	describe(c *conduct) ([]Fact, error)
	// act does it. A step that was interrupted is done again from its start: it
	// takes over what is there already.
	act(ctx context.Context, c *conduct) (*outcome, error)
}

// outcome is what a step made.
type outcome struct {
	facts []Fact
	files []File
}

// begin tells what the ceremony is, and writes down what was agreed on, or
// that it goes on.
func (c *conduct) begin(text []byte) error {
	if err := c.banner(); err != nil {
		return err
	}
	digest := hexDigest(text)
	if len(c.log.events) > 0 {
		return c.resume(digest)
	}
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	e := &Event{Event: eventBegin, Facts: []Fact{
		{factFormat, Format},
		{factCeremony, c.script.Ceremony},
		{"purpose", c.script.Purpose},
		{factScript, digest},
		{factOperator, c.script.Operator},
		{"witnesses", strings.Join(c.script.Witnesses, ", ")},
		{"tool", "holdfast " + c.Version},
		{"system", runtime.GOOS + "/" + runtime.GOARCH + ", " + runtime.Version()},
		{"host", host},
	}}
	if c.Rehearse {
		e.Facts = append(e.Facts, Fact{factRehearsal, "yes: nothing of this is to be trusted"})
	}
	return c.log.add(e)
}

// resume goes on with a ceremony of the same script.
func (c *conduct) resume(digest string) error {
	first := &c.log.events[0]
	switch {
	case first.fact(factScript) != digest:
		return fault.New(fault.WrongState, "the ceremony in %s was begun with another script: its SHA-256 is %s", c.folder, first.fact(factScript))
	case c.log.signed():
		return fault.New(fault.WrongState, "the ceremony in %s is over, and its transcript signed", c.folder)
	}
	e := &Event{Event: eventResume, Facts: []Fact{{"tool", "holdfast " + c.Version}}}
	if c.log.torn > 0 {
		e.Facts = append(e.Facts, Fact{"bytes of an unfinished line that were cut off", fmt.Sprint(c.log.torn)})
	}
	if err := c.tell("This ceremony was interrupted. It goes on where its transcript ends."); err != nil {
		return err
	}
	return c.log.add(e)
}

const rehearsalMark = "*** REHEARSAL: nothing of this is to be trusted ***"

// banner tells what the ceremony is.
func (c *conduct) banner() error {
	lines := []string{
		"Ceremony   " + c.script.Ceremony, "Purpose    " + c.script.Purpose, "Operator   " + c.script.Operator,
		"Witnesses  " + strings.Join(c.script.Witnesses, ", "), "Directory  " + c.Dir, fmt.Sprintf("Steps      %d, and the lock", len(c.script.Steps)),
	}
	if c.Rehearse {
		lines = append([]string{rehearsalMark}, lines...)
	}
	for _, line := range lines {
		if err := c.tell("%s", line); err != nil {
			return err
		}
	}
	return nil
}

// attend has the witnesses who are not on record yet type their names.
func (c *conduct) attend() error {
	var present []string
	for i := range c.log.events {
		if e := &c.log.events[i]; e.Event == eventWitness {
			present = append(present, e.fact(factName))
		}
	}
	for _, name := range c.script.Witnesses {
		if slices.Contains(present, name) {
			continue
		}
		e := &Event{Event: eventWitness, Facts: []Fact{{factName, name}}}
		if c.Unattended {
			e.Facts = append(e.Facts, Fact{"present", "no: this is an unattended rehearsal"})
		} else if err := c.typed("Witness "+name+", type your name to say that you are present: ", name); err != nil {
			return err
		}
		if err := c.log.add(e); err != nil {
			return err
		}
	}
	return nil
}

// typed asks for a certain text.
func (c *conduct) typed(question, want string) error {
	for range tries {
		answer, err := c.Person.Ask(question)
		if err != nil {
			return err
		}
		if strings.EqualFold(strings.TrimSpace(answer), want) {
			return nil
		}
		if err := c.tell("That is not %q.", want); err != nil {
			return err
		}
	}
	return fault.New(fault.WrongState, "%q was not typed: the ceremony stops here", want)
}

// confirm has the operator confirm a step. Anything but yes stops the
// ceremony.
func (c *conduct) confirm() error {
	if c.Unattended {
		return nil
	}
	answer, err := c.Person.Ask("Type yes to do this: ")
	if err != nil {
		return err
	}
	if strings.TrimSpace(answer) != "yes" {
		return fault.New(fault.WrongState, "not confirmed: the ceremony stops here, and can be gone on with")
	}
	return nil
}

// step does a step that is not done yet.
func (c *conduct) step(ctx context.Context, n int, s *Step) error {
	title := fmt.Sprintf("Step %d of %d: %s", n, len(c.script.Steps), s.action.kind())
	if e := c.log.find(eventDone, n); e != nil {
		if err := c.tell("%s: done already, at %s", title, e.Time.Format("2006-01-02 15:04:05Z")); err != nil {
			return err
		}
		return c.takeOver(ctx, e)
	}
	facts, err := s.action.describe(c)
	if err != nil {
		return err
	}
	if err := c.present(title, facts); err != nil {
		return err
	}
	if err := c.confirm(); err != nil {
		return err
	}
	facts = append([]Fact{{"step", s.action.kind()}, {"confirmed by", c.confirmer()}}, facts...)
	if err := c.log.add(&Event{Event: eventStart, Step: n, Facts: facts}); err != nil {
		return err
	}
	out, err := s.action.act(ctx, c)
	if err != nil {
		return err
	}
	if err := c.report(out); err != nil {
		return err
	}
	return c.log.add(&Event{Event: eventDone, Step: n, Facts: out.facts, Files: out.files})
}

// takeOver makes sure of what an earlier run did: its files are as they were,
// and the data directory is open.
func (c *conduct) takeOver(ctx context.Context, e *Event) error {
	for _, f := range e.Files {
		if f.Role != roleOutput {
			continue
		}
		have, err := digestFile(filepath.Join(c.folder, f.Name))
		if err != nil {
			return err
		}
		if have != f.SHA256 {
			return fault.New(fault.WrongState, "the file %s is not the one that the step made", f.Name)
		}
		c.files = append(c.files, f)
	}
	if c.installation == nil {
		return c.open(ctx)
	}
	return nil
}

func (c *conduct) confirmer() string {
	if c.Unattended {
		return "nobody: this is an unattended rehearsal"
	}
	return c.script.Operator
}

// present shows what a step will do.
func (c *conduct) present(title string, facts []Fact) error {
	if c.Rehearse {
		title += "   " + rehearsalMark
	}
	if err := c.tell("\n%s", title); err != nil {
		return err
	}
	return c.list(facts)
}

func (c *conduct) list(facts []Fact) error {
	for _, f := range facts {
		if err := c.tell("  %-24s %s", f.Name, f.Value); err != nil {
			return err
		}
	}
	return nil
}

// report shows what a step made.
func (c *conduct) report(out *outcome) error {
	if err := c.list(out.facts); err != nil {
		return err
	}
	for _, f := range out.files {
		if err := c.tell("  %-24s %s  SHA-256 %s", f.Role, f.Name, f.SHA256); err != nil {
			return err
		}
		if f.Role == roleOutput {
			c.files = append(c.files, f)
		}
	}
	return nil
}

// call returns the envelope of what the ceremony asks of the core: the realm
// itself acts, and the audit log names the ceremony and its operator.
func (c *conduct) call(operation string) *key.Call {
	call := c.installation.Call("Ceremony" + operation)
	call.Caller.Credential = c.script.Ceremony
	call.UserAgent = fmt.Sprintf("ceremony %s, operator %s, witnesses %s", c.script.Ceremony, c.script.Operator, strings.Join(c.script.Witnesses, ", "))
	if c.Rehearse {
		call.UserAgent = "REHEARSAL of " + call.UserAgent
	}
	return call
}

// input reads a file beside the script.
func (c *conduct) input(name string, limit int64) ([]byte, File, error) {
	path := name
	if !filepath.IsAbs(path) {
		path = filepath.Join(filepath.Dir(c.Script), name)
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, File{}, err
	}
	if info.Size() > limit {
		return nil, File{}, fault.New(fault.InvalidArgument, "%s is longer than %d bytes", name, limit)
	}
	content, err := os.ReadFile(path) //nolint:gosec // the path is the script's
	return content, fileOf(roleInput, name, content), err
}

// output writes a file into the ceremony's folder.
func (c *conduct) output(name string, content []byte) (File, error) {
	if err := durable.WriteFile(filepath.Join(c.folder, name), content, readable); err != nil {
		return File{}, fmt.Errorf("writing %s: %w", name, err)
	}
	return fileOf(roleOutput, name, content), nil
}
