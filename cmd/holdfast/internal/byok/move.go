package byok

import (
	"context"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/holdfast-kms/holdfast/client"
	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/terminal"
	"github.com/holdfast-kms/holdfast/internal/transfer"
	"github.com/holdfast-kms/holdfast/internal/wire/aws"
)

// What sources and targets of a move begin with.
const (
	schemeFile     = "file:"
	schemeToken    = "pkcs11:"
	schemeHoldfast = "holdfast:"
)

// kekDays is after how many days a key exchange key that was made for one
// move is destroyed: as soon as it may be. It is of no use from the start.
const kekDays = 7

// moving is what the flags of move say.
type moving struct {
	source      sourceFlags
	kek, hsm    string
	size        int
	profile     string
	exportable  bool
	tags        []string
	description string

	target string // the new key's alias
	step   int
}

func (a *app) move() *cobra.Command {
	var m moving
	cmd := &cobra.Command{
		Use: "move SOURCE TARGET", Short: "Bring a key from one place to another, and prove that it arrived", Args: cobra.ExactArgs(2),
		Long: "Bring a key from one place to another, encrypted all the way, each step shown: a key exchange\n" +
			"key at the target, the key wrapped under it at the source, the import, and a proof that the\n" +
			"key which arrived is the one that was sent. Nothing is written to a disk. The key at the\n" +
			"source stays.\n\n" +
			"SOURCE is file:PATH, a key on a token (pkcs11:…, RFC 7512, with --module or --preset), or\n" +
			"holdfast:NAME, an exportable key of the server. TARGET is holdfast:NAME, the alias of the new\n" +
			"key: on the same server, or with --profile on another one.",
		Example: "  holdfast byok move file:old.pem holdfast:release\n" +
			"  holdfast byok move 'pkcs11:token=old;object=signer' holdfast:signer --preset softhsm2 --pin-file pin\n" +
			"  holdfast byok move holdfast:release holdfast:release --profile /srv/other/env --hsm luna",
	}
	flags := cmd.Flags()
	kindFlags(cmd, &m.source.spec, &m.source.usage)
	m.source.token.Flags(cmd)
	flags.StringVar(&m.kek, "kek", "", "a key exchange key of the target; one is made for the move without it")
	flags.IntVar(&m.size, "size", defaultSize, "the size in bits of a key exchange key that is made")
	flags.StringVar(&m.hsm, "hsm", "", "the target's token or group to move into; its own store without it")
	flags.StringVar(&m.profile, "profile", "", "the file with the variables of the target's server, as DIR/env of \"holdfast dev\"")
	flags.StringVar(&m.description, "description", "", "a text for people")
	flags.StringArrayVar(&m.tags, "tag", nil, "a tag, NAME=VALUE (repeatable)")
	flags.BoolVar(&m.exportable, "exportable", false, "let the key leave again, for whoever may export it; decided now for good")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := m.read(args); err != nil {
			return err
		}
		return a.moveKey(cmd.Context(), &m)
	}
	return cmd
}

// read reads the source and the target.
func (m *moving) read(args []string) error {
	switch from := args[0]; {
	case strings.HasPrefix(from, schemeFile):
		m.source.in = strings.TrimPrefix(from, schemeFile)
	case strings.HasPrefix(from, schemeToken):
		m.source.uri = from
	case strings.HasPrefix(from, schemeHoldfast):
		m.source.key = strings.TrimPrefix(from, schemeHoldfast)
	default:
		return terminal.Usagef("the source %q is none of file:PATH, pkcs11:… and holdfast:NAME", from)
	}
	name, ok := strings.CutPrefix(args[1], schemeHoldfast)
	if !ok || name == "" {
		return terminal.Usagef("the target %q is not holdfast:NAME", args[1])
	}
	if m.kek != "" && m.hsm != "" {
		return terminal.WrongUsage(errors.New("--kek and --hsm exclude each other: a key comes to where its key exchange key is"))
	}
	m.target = name
	return nil
}

// tell shows a step.
func (a *app) tell(m *moving, format string, args ...any) {
	m.step++
	_ = a.Done("%d  %s", m.step, fmt.Sprintf(format, args...)) // the work goes on when nobody reads
}

// moveKey does the whole.
func (a *app) moveKey(ctx context.Context, m *moving) (err error) {
	target, err := a.connectTo(m.profile)
	if err != nil {
		return err
	}
	s, err := m.source.open(ctx, a)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	a.tell(m, "the key is %s, %s", aws.SpecName(s.kind().Spec), s.where())
	k, err := a.carry(ctx, target, s, m)
	if err != nil {
		return terminal.Explain(err, target.Address())
	}
	proof, err := prove(ctx, target, s, k)
	if err != nil {
		return terminal.Hint(fmt.Errorf("the key %s was imported, and it is NOT proved to be the source's: %w", k.ID, err),
			"do not use it: \"holdfast key delete %s\"", k.ID)
	}
	a.tell(m, "proof: %s", proof)
	return a.showImported(k, terminal.AliasName(m.target), proof)
}

// carry brings the key over: the key exchange key, the wrapping, the import.
func (a *app) carry(ctx context.Context, target *client.Client, s source, m *moving) (_ *client.Key, err error) {
	kek, made, err := a.kekFor(ctx, target, m)
	if err != nil {
		return nil, err
	}
	if made {
		defer func() { err = errors.Join(err, a.endKEK(ctx, target, kek.ID, m)) }()
	}
	under, err := publicKEK(ctx, target, kek)
	if err != nil {
		return nil, err
	}
	wrapped, err := s.wrapped(ctx, under, transfer.BlobWrapping)
	if err != nil {
		return nil, fmt.Errorf("wrapping the key in %s: %w", s.where(), err)
	}
	blob := transfer.Blob{KID: target.KeyURL(kek.ID), Ciphertext: wrapped, Generator: a.UserAgent}
	text, err := blob.Marshal()
	if err != nil {
		return nil, err
	}
	a.tell(m, "the source has wrapped it by %s: %d bytes", transfer.BlobWrapping, len(wrapped))
	req := &client.ImportWrappedRequest{Blob: text}
	req.Alias = terminal.AliasName(m.target)
	req.Spec, req.Usage = aws.SpecName(s.kind().Spec), m.source.usage
	if usage := s.kind().Usage; req.Usage == "" && usage != alg.NoUsage {
		req.Usage = aws.UsageName(usage)
	}
	req.Description, req.Exportable = m.description, m.exportable
	if req.Tags, err = terminal.TagsOf(m.tags); err != nil {
		return nil, err
	}
	k, err := target.ImportWrapped(ctx, req)
	if err != nil {
		return nil, err
	}
	a.tell(m, "the target has unwrapped it: %s, the key %s in %s", req.Alias, k.ID, terminal.LivesIn(k))
	return k, nil
}

// kekFor returns the key exchange key that the flags name, or makes one.
func (a *app) kekFor(ctx context.Context, target *client.Client, m *moving) (kek *client.Key, made bool, err error) {
	if m.kek != "" {
		kek, err = target.Key(ctx, terminal.KeyName(m.kek))
		if err == nil {
			a.tell(m, "the key exchange key is %s, in %s", kek.ID, terminal.LivesIn(kek))
		}
		return kek, false, err
	}
	spec, err := specOfSize(m.size)
	if err != nil {
		return nil, false, err
	}
	kek, err = target.CreateKey(ctx, &client.CreateKeyRequest{
		Spec: aws.SpecName(spec), Usage: aws.UsageName(alg.KeyTransfer), HSM: m.hsm, Description: "key exchange key of one move",
	})
	if err != nil {
		return nil, false, err
	}
	a.tell(m, "a key exchange key was made for the move: %s (%s), in %s", kek.ID, kek.Spec, terminal.LivesIn(kek))
	return kek, true, nil
}

// publicKEK returns the public half of a key exchange key.
func publicKEK(ctx context.Context, target *client.Client, kek *client.Key) (*rsa.PublicKey, error) {
	if kek.Usage != aws.UsageName(alg.KeyTransfer) {
		return nil, fmt.Errorf("the key %s is for %s: it is no key exchange key", kek.ID, kek.Usage)
	}
	p, err := target.PublicKey(ctx, kek.ID)
	if err != nil {
		return nil, err
	}
	public, err := x509.ParsePKIXPublicKey(p.SPKI)
	if err != nil {
		return nil, fmt.Errorf("reading the public half of %s: %w", kek.ID, err)
	}
	return kekOf("the key "+kek.ID, public)
}

// endKEK has a key exchange key destroyed that was made for one move.
func (a *app) endKEK(ctx context.Context, target *client.Client, id string, m *moving) error {
	k, err := target.ScheduleDeletion(context.WithoutCancel(ctx), id, kekDays)
	if err != nil {
		return fmt.Errorf("the key exchange key %s stays: %w", id, err)
	}
	a.tell(m, "the key exchange key is out of use, and is destroyed at %s", terminal.Cell(k.DeleteAt))
	return nil
}
