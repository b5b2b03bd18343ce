package byok

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"

	mldsax509 "filippo.io/mldsa/x509"
	"github.com/spf13/cobra"

	"github.com/holdfast-kms/holdfast/client"
	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/engine/soft"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/keystore"
	"github.com/holdfast-kms/holdfast/internal/seal"
	"github.com/holdfast-kms/holdfast/internal/store/mem"
	"github.com/holdfast-kms/holdfast/internal/terminal"
	"github.com/holdfast-kms/holdfast/internal/wire/aws"
)

// A source is a key that is to go elsewhere.
type source interface {
	// kind says what the key is.
	kind() engine.Kind
	// public returns the SubjectPublicKeyInfo in DER, nil for a symmetric key.
	public() []byte
	// wrapped returns the key encrypted under an RSA key.
	wrapped(ctx context.Context, under *rsa.PublicKey, how alg.Wrapping) ([]byte, error)
	// mac computes the code of a message, of a key for that.
	mac(ctx context.Context, message []byte) ([]byte, error)
	// where says where the key is, for people.
	where() string
	// close forgets the key.
	close() error
}

// sourceFlags say where a key comes from.
type sourceFlags struct {
	in, key, uri string
	spec, usage  string
	token        terminal.TokenFlags
}

func (f *sourceFlags) flags(a *app, cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.in, "in", "", "a file with the key: PEM or DER, not encrypted, or the bytes of a symmetric key; - is standard input")
	flags.StringVarP(&f.key, "key", "k", "", "an exportable key of the server: its alias, id or ARN")
	flags.StringVar(&f.uri, "uri", "", "a key on a token (RFC 7512), such as \"pkcs11:token=old;object=signer\"")
	kindFlags(cmd, &f.spec, &f.usage)
	f.token.Flags(cmd)
	terminal.CompleteBy(cmd, "key", a.KeyNames())
}

// kindFlags say of what kind a key is that does not say it itself.
func kindFlags(cmd *cobra.Command, spec, usage *string) {
	cmd.Flags().StringVar(spec, "spec", "", "the key's type and size, where the key does not say it itself")
	cmd.Flags().StringVar(usage, "usage", "", "what the key is for; needed where its spec has several usages (RSA)")
	terminal.Complete(cmd, "spec", terminal.SpecNames())
	terminal.Complete(cmd, "usage", terminal.UsageNames())
}

// asked returns the kind that the flags say.
func (f *sourceFlags) asked() (engine.Kind, error) {
	var kind engine.Kind
	if f.spec != "" {
		if err := terminal.CheckSpec(f.spec); err != nil {
			return kind, err
		}
		kind.Spec = terminal.ParseSpec(f.spec)
	}
	if f.usage != "" {
		if kind.Usage = terminal.ParseUsage(f.usage); kind.Usage == alg.NoUsage {
			return kind, terminal.Usagef("the usage %q is not known", f.usage)
		}
	}
	return kind, nil
}

// open opens the one source that the flags name.
func (f *sourceFlags) open(ctx context.Context, a *app) (source, error) {
	given := 0
	for _, text := range []string{f.in, f.key, f.uri} {
		if text != "" {
			given++
		}
	}
	if given != 1 {
		return nil, terminal.WrongUsage(errors.New("say where the key is by one of --in, --key and --uri"))
	}
	kind, err := f.asked()
	switch {
	case err != nil:
		return nil, err
	case f.in != "":
		return a.openFile(ctx, f.in, kind)
	case f.key != "":
		c, err := a.Connect()
		if err != nil {
			return nil, err
		}
		s, err := openRemote(ctx, c, terminal.KeyName(f.key))
		return s, terminal.Explain(err, c.Address())
	}
	return a.openToken(ctx, f.uri, &f.token)
}

// local is a key in an engine of this process, or that this process drives.
type local struct {
	engine   engine.Engine
	ref      engine.Ref
	is       engine.Kind
	material engine.Material
	text     string
	closers  []func() error
}

func (l *local) kind() engine.Kind { return l.is }
func (l *local) public() []byte    { return l.material.Public }
func (l *local) where() string     { return l.text }

func (l *local) wrapped(ctx context.Context, under *rsa.PublicKey, how alg.Wrapping) ([]byte, error) {
	from, ok := l.engine.(engine.WrapExporter)
	if !ok {
		return nil, fmt.Errorf("a key in %s cannot leave wrapped", l.text)
	}
	spki, err := x509.MarshalPKIXPublicKey(under)
	if err != nil {
		return nil, err
	}
	public, err := engine.ParseForeign(spki)
	if err != nil {
		return nil, err
	}
	out, err := from.ExportWrapped(ctx, l.ref, l.is.Spec, l.material.Wrapped, public, how)
	if fault.ReasonOf(err) == fault.NotExportable {
		return nil, terminal.Hint(terminal.Plain(err), "a token gives away, wrapped, only keys that were made extractable (CKA_EXTRACTABLE)")
	}
	return out, terminal.Plain(err)
}

func (l *local) mac(ctx context.Context, message []byte) ([]byte, error) {
	k, err := l.engine.Open(ctx, l.ref, l.is.Spec, l.material.Wrapped)
	if err != nil {
		return nil, terminal.Plain(err)
	}
	code, err := k.MAC.Sum(nil, message)
	return code, terminal.Plain(err)
}

func (l *local) close() error {
	var failures []error
	for i := len(l.closers) - 1; i >= 0; i-- {
		failures = append(failures, l.closers[i]())
	}
	return errors.Join(failures...)
}

// newLocal returns a source without a key yet. Its Ref is of nobody's key: it
// binds the material to this run.
func newLocal(text string) (*local, *seal.Keyring, error) {
	root, err := seal.Ephemeral()
	if err != nil {
		return nil, nil, err
	}
	store := mem.New()
	id := key.NewID([16]byte([]byte(rand.Text())[:16]))
	l := &local{ref: engine.Ref{Realm: key.DefaultRealm, ID: id, Version: 1}, text: text}
	l.closers = append(l.closers, store.Close)
	return l, seal.NewKeyring(root, store), nil
}

// openFile reads a key from a file. What the soft engine says of it (that it
// is weak, that its halves do not go together) is said before it is wrapped.
func (a *app) openFile(ctx context.Context, path string, kind engine.Kind) (_ source, err error) {
	data, err := a.Read(path, maxFile)
	if err != nil {
		return nil, err
	}
	defer clear(data)
	plain, err := readKey(data, &kind)
	if err != nil {
		return nil, fmt.Errorf("reading the key in %s: %w", path, terminal.Plain(err))
	}
	defer clear(plain)
	l, keyring, err := newLocal("the file " + path)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, l.close())
		}
	}()
	e, err := soft.New(keyring, soft.Options{PureGo: true})
	if err != nil {
		return nil, err
	}
	l.closers = append(l.closers, e.Close)
	l.engine, l.is = e, kind
	l.is.Exportable = true
	if l.material, err = e.Import(ctx, l.ref, l.is, plain); err != nil {
		return nil, fmt.Errorf("the key in %s: %w", path, terminal.Plain(err))
	}
	return l, nil
}

// readKey returns the plain form of a key (package engine) in a file, and
// completes its kind where the key says it.
func readKey(data []byte, kind *engine.Kind) ([]byte, error) {
	plain := data
	if block, _ := pem.Decode(data); block != nil {
		der, err := keystore.ParseKey(data)
		if err != nil {
			return nil, err
		}
		plain = der
	} else if der := fromDER(data); der != nil {
		plain = der
	}
	spec, err := specOf(plain, kind)
	if err != nil {
		return nil, err
	}
	if kind.Spec != alg.NoSpec && kind.Spec != spec {
		return nil, fmt.Errorf("it is a key of type %s, and not %s", aws.SpecName(spec), aws.SpecName(kind.Spec))
	}
	kind.Spec = spec
	if kind.Usage == alg.NoUsage {
		kind.Usage = spec.Usual()
	}
	return append([]byte(nil), plain...), nil
}

// fromDER returns a private key in DER of an older form as PKCS #8, nil for
// everything else.
func fromDER(data []byte) []byte {
	var private any
	if k, err := x509.ParsePKCS1PrivateKey(data); err == nil {
		private = k
	} else if k, err := x509.ParseECPrivateKey(data); err == nil {
		private = k
	}
	if private == nil {
		return nil
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return nil
	}
	return der
}

// specOf returns the spec of a key in plain form: of a private key what it
// says, of a symmetric one what its length and what was asked allow.
func specOf(plain []byte, kind *engine.Kind) (alg.Spec, error) {
	if private, err := mldsax509.ParsePKCS8PrivateKey(plain); err == nil {
		if signer, ok := private.(crypto.Signer); ok {
			if spec := engine.SpecOf(signer.Public()); spec != alg.NoSpec {
				return spec, nil
			}
		}
		return alg.NoSpec, errors.New("it is a private key of a type that is not known here")
	}
	var whole asn1.RawValue
	if rest, err := asn1.Unmarshal(plain, &whole); err == nil && len(rest) == 0 && whole.Tag == asn1.TagSequence {
		return alg.Secp256k1, nil // the one that the standard library has not; the engine has the last word
	}
	fitting := slices.DeleteFunc(alg.Specs(), func(s alg.Spec) bool { return !s.Symmetric() || s.Info().Bits != 8*len(plain) })
	if spec := choose(fitting, kind); spec != alg.NoSpec {
		return spec, nil
	}
	return alg.NoSpec, fmt.Errorf("it is neither a private key nor as long as a symmetric one: %d bytes", len(plain))
}

// choose returns the one of several specs that was asked for, or that goes
// with the usage that was. A symmetric key of which nothing was said is for
// encryption; otherwise there has to be one alone.
func choose(specs []alg.Spec, asked *engine.Kind) alg.Spec {
	fitting := slices.DeleteFunc(slices.Clone(specs), func(s alg.Spec) bool {
		return (asked.Spec != alg.NoSpec && asked.Spec != s) || (asked.Usage != alg.NoUsage && !s.Allows(asked.Usage))
	})
	switch {
	case len(fitting) == 1:
		return fitting[0]
	case slices.Contains(fitting, alg.AES256):
		return alg.AES256
	}
	return alg.NoSpec
}

// remote is an exportable key of a server.
type remote struct {
	client *client.Client
	key    *client.Key
	spki   []byte
}

// openRemote finds an exportable key of a server.
func openRemote(ctx context.Context, c *client.Client, name string) (source, error) {
	k, err := c.Key(ctx, name)
	if err != nil {
		return nil, err
	}
	if !k.Exportable {
		return nil, terminal.Hint(fmt.Errorf("the key %s was not made exportable: it cannot leave", name),
			"whether a key may leave is decided when it is made: \"holdfast key create --exportable\"")
	}
	r := &remote{client: c, key: k}
	if kind := r.kind(); !kind.Spec.Symmetric() {
		p, err := c.PublicKey(ctx, k.ID)
		if err != nil {
			return nil, err
		}
		r.spki = p.SPKI
	}
	return r, nil
}

func (r *remote) kind() engine.Kind {
	spec, _ := aws.ParseSpec(r.key.Spec)
	usage, _ := aws.ParseUsage(r.key.Usage)
	return engine.Kind{Spec: spec, Usage: usage, Exportable: r.key.Exportable}
}

func (r *remote) public() []byte { return r.spki }
func (r *remote) where() string  { return "the key " + r.key.ID + " of " + r.client.Address() }
func (*remote) close() error     { return nil }

func (r *remote) wrapped(ctx context.Context, under *rsa.PublicKey, how alg.Wrapping) ([]byte, error) {
	spki, err := x509.MarshalPKIXPublicKey(under)
	if err != nil {
		return nil, err
	}
	w, err := r.client.ExportWrapped(ctx, r.key.ID, spki, how.String())
	if err != nil {
		return nil, terminal.Explain(err, r.client.Address())
	}
	return w.Wrapped, nil
}

func (r *remote) mac(ctx context.Context, message []byte) ([]byte, error) {
	kind := r.kind()
	m, err := r.client.GenerateMAC(ctx, r.key.ID, &client.MACRequest{Algorithm: aws.AlgorithmName(kind.Spec.For(kind.Usage)[0]), Message: message})
	if err != nil {
		return nil, terminal.Explain(err, r.client.Address())
	}
	return m.MAC, nil
}
