package sshkeys

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/crypto/ssh"

	"github.com/holdfast-kms/holdfast"
	"github.com/holdfast-kms/holdfast/internal/terminal"
	"github.com/holdfast-kms/holdfast/sshkey"
)

// maxLine is the longest file with a public key or certificate that is read,
// in bytes.
const maxLine = 64 << 10

// request is what the flags of certificate say.
type request struct {
	authority, in, typ, id string
	principals             []string
	serial                 uint64
	validity, backdate     time.Duration
	options, permit        []string
	noPermit               bool
}

func (a *app) certificate() *cobra.Command {
	var r request
	out := terminal.Output{Encoding: "raw"}
	cmd := &cobra.Command{
		Use: "certificate", Short: "Make an SSH certificate for a user or a host", Args: cobra.NoArgs,
		Long: "Make an SSH certificate: a statement by an authority, whose key may be anywhere, that a public\n" +
			"key is good as certain users or hosts for a time. Servers trust the authority of users by\n" +
			"TrustedUserCAKeys, clients that of hosts by @cert-authority in known_hosts; \"ssh public-key\"\n" +
			"prints what goes there. " + terminal.KeyURIHelp,
		Example: "  holdfast ssh certificate --authority awskms:///alias/ssh-users --public-key id_ed25519.pub \\\n" +
			"    --id alice@laptop --principal alice --validity 8h --out id_ed25519-cert.pub\n" +
			"  holdfast ssh certificate --authority holdfast:///ssh-hosts --type host --public-key ssh_host_ed25519_key.pub \\\n" +
			"    --principal db.example.com --validity 720h --out ssh_host_ed25519_key-cert.pub",
	}
	flags := cmd.Flags()
	flags.StringVar(&r.authority, "authority", "", "the URI of the authority's key")
	flags.StringVar(&r.in, "public-key", "", "the file with the public key, as OpenSSH has it; - is standard input")
	flags.StringVar(&r.typ, "type", "user", "user or host")
	flags.StringVar(&r.id, "id", "", "what servers' logs call the certificate; without it the first principal")
	flags.StringArrayVar(&r.principals, "principal", nil, "a user or host as whom the key is good (repeatable)")
	flags.Uint64Var(&r.serial, "serial", 0, "the serial number; 0 is a random one")
	flags.DurationVar(&r.validity, "validity", 8*time.Hour, "how long it is valid from now on")
	flags.DurationVar(&r.backdate, "backdate", 5*time.Minute, "how long ago its validity begins, for clocks that are slow")
	flags.StringArrayVar(&r.options, "option", nil, "a critical option of a user's, NAME=VALUE: force-command=CMD, source-address=CIDR,… or verify-required= (repeatable)")
	flags.StringArrayVar(&r.permit, "permit", nil, "what a user may, such as permit-pty (repeatable); without it what ssh-keygen permits")
	flags.BoolVar(&r.noPermit, "no-permit", false, "permit a user nothing beyond logging in")
	flags.StringVar(&out.Path, "out", "-", "the file to write, usually NAME-cert.pub; - is standard output")
	terminal.Complete(cmd, "type", []string{sshkey.User.String(), sshkey.Host.String()})
	terminal.Require(cmd, "authority", "public-key", "principal")
	cmd.MarkFlagsMutuallyExclusive("permit", "no-permit")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		t, comment, err := a.template(&r)
		if err != nil {
			return err
		}
		return a.OnKey(&r.authority, func(_ context.Context, k *holdfast.Key, _ []string) error {
			s, err := signer(k)
			if err != nil {
				return err
			}
			c, err := sshkey.SignCertificate(t, s)
			if err != nil {
				return err
			}
			line := sshkey.MarshalLine(c, comment)
			return a.WriteBytes(out, line, view(c, line))
		})(cmd, args)
	}
	return cmd
}

// template returns what the flags ask for, and the public key's comment.
func (a *app) template(r *request) (*sshkey.Template, string, error) {
	typ, err := sshkey.ParseType(r.typ)
	if err != nil {
		return nil, "", terminal.WrongUsage(err)
	}
	options, err := terminal.Pairs("option", r.options)
	if err != nil {
		return nil, "", err
	}
	if r.validity <= 0 || r.backdate < 0 {
		return nil, "", terminal.Usagef("--validity is longer than no time, and --backdate is not negative")
	}
	line, err := a.Read(r.in, maxLine)
	if err != nil {
		return nil, "", err
	}
	public, comment, _, _, err := ssh.ParseAuthorizedKey(line)
	if err != nil {
		return nil, "", fmt.Errorf("%s has no public key as OpenSSH writes it: %w", r.in, err)
	}
	now := time.Now()
	t := &sshkey.Template{
		Key: public, Type: typ, ID: r.id, Serial: r.serial, Principals: r.principals,
		NotBefore: now.Add(-r.backdate), NotAfter: now.Add(r.validity), CriticalOptions: options,
	}
	if t.ID == "" {
		t.ID = r.principals[0]
	}
	if r.noPermit {
		t.Extensions = map[string]string{}
	}
	for _, p := range r.permit {
		if t.Extensions == nil {
			t.Extensions = map[string]string{}
		}
		name, value, _ := strings.Cut(p, "=")
		t.Extensions[name] = value
	}
	return t, comment, nil
}

// certificateView is a certificate as --json prints it.
type certificateView struct {
	Certificate string            `json:"certificate"`
	Type        string            `json:"type"`
	ID          string            `json:"id"`
	Serial      uint64            `json:"serial"`
	Principals  []string          `json:"principals"`
	NotBefore   time.Time         `json:"not_before"`
	NotAfter    time.Time         `json:"not_after"`
	Options     map[string]string `json:"options"`
	Permits     []string          `json:"permits"`
	Authority   string            `json:"authority"`
}

func view(c *ssh.Certificate, line []byte) certificateView {
	at := func(seconds uint64) time.Time { return time.Unix(int64(seconds), 0).UTC() } //nolint:gosec // a time that was made here
	options := maps.Clone(c.CriticalOptions)
	if options == nil {
		options = map[string]string{}
	}
	return certificateView{
		string(line[:len(line)-1]), sshkey.Type(c.CertType).String(), c.KeyId, c.Serial, c.ValidPrincipals, at(c.ValidAfter), at(c.ValidBefore),
		options, slices.AppendSeq([]string{}, maps.Keys(c.Extensions)), ssh.FingerprintSHA256(c.SignatureKey),
	}
}
