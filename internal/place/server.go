package place

import (
	"cmp"
	"context"
	"crypto"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"net/url"
	"strings"
	"time"

	"github.com/holdfast-kms/holdfast/client"
	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/wire/aws"
)

// server is the place of keys in a Holdfast server.
type server struct {
	client  *client.Client
	timeout time.Duration
}

// newServer returns a place of the server that a URI's host, the settings and
// the environment name. It does not connect yet.
func newServer(u *URI, set *Settings) (*server, error) {
	c := client.Environment()
	if set.Server != nil {
		c = *set.Server
	}
	if err := aim(&c, u); err != nil {
		return nil, err
	}
	c.Region, c.CACert = cmp.Or(u.Query["region"], c.Region), cmp.Or(u.Query["ca"], c.CACert)
	c.UserAgent = cmp.Or(c.UserAgent, "holdfast-library")
	made, err := client.New(c)
	if err != nil {
		return nil, &fault.Error{Kind: fault.InvalidArgument, Err: err}
	}
	return &server{made, set.Timeout}, nil
}

// aim sees to it that a URI's host is the one of the configuration, whose
// credential is for that server and is sent to no other: a URI may be somebody
// else's, as that in the header of an encrypted file.
func aim(c *client.Config, u *URI) error {
	if u.Host == "" {
		return nil
	}
	known, err := url.Parse(c.Address)
	if err != nil || !strings.EqualFold(known.Host, u.Host) {
		return fault.New(fault.PermissionDenied,
			"the credential is for %q and is not sent to %s: set HOLDFAST_ADDR to it, or give WithServer", c.Address, u.Host)
	}
	return nil
}

// Close has nothing to do.
func (*server) Close() error { return nil }

// Random asks the server.
func (s *server) Random(ctx context.Context, b []byte) error {
	const most = 1024
	for len(b) > 0 {
		got, err := s.client.Random(ctx, min(len(b), most))
		if err != nil {
			return err
		}
		n := copy(b, got)
		clear(got)
		if n == 0 {
			return errors.New("the server's answer is empty")
		}
		b = b[n:]
	}
	return nil
}

// Open asks what a key is. An alias is resolved now: the key stays the same.
func (s *server) Open(ctx context.Context, u *URI) (*Opened, error) {
	k, err := s.client.Key(ctx, u.Key)
	if err != nil {
		return nil, err
	}
	spec, known := aws.ParseSpec(k.Spec)
	usage, use := aws.ParseUsage(k.Usage)
	if !known || !use {
		return nil, fault.New(fault.Unsupported, "the key is of the type %s for %s, which is not known here", k.Spec, k.Usage)
	}
	o := &Opened{Spec: spec, Usage: usage, Key: &engine.Key{}}
	for _, name := range k.Algorithms {
		if a, ok := aws.ParseAlgorithm(name); ok {
			o.Key.Algorithms = append(o.Key.Algorithms, a)
		}
	}
	if !spec.Symmetric() {
		p, err := s.client.PublicKey(ctx, k.ID)
		if err != nil {
			return nil, err
		}
		if o.Public, err = engine.ParsePublic(spec, p.SPKI); err != nil {
			return nil, err
		}
	}
	s.equip(o, &remoteKey{server: s, id: k.ID, spec: spec, public: o.Public})
	return o, nil
}

// equip gives a key what its usage does.
func (*server) equip(o *Opened, r *remoteKey) {
	switch o.Usage { //nolint:exhaustive // the others do nothing that an engine.Key has
	case alg.SignVerify:
		o.Key.Signer, o.Key.Verifier = remoteSigner{r}, remoteVerifier{r}
	case alg.GenerateVerifyMAC:
		o.Key.MAC, o.Key.Verifier = remoteMAC{r}, remoteVerifier{r}
	case alg.EncryptDecrypt:
		if o.Spec.Symmetric() {
			o.Key.AEAD = remoteAEAD{r}
		} else {
			o.Key.Decrypter = remoteDecrypter{r}
		}
	case alg.KeyAgreement:
		o.Key.Agreement = remoteAgreement{r}
	}
}

// Create makes a key. A name in the URI is an alias.
func (s *server) Create(ctx context.Context, u *URI, kind engine.Kind) (*URI, error) {
	if !strings.HasPrefix(u.Key, "alias/") {
		return nil, fault.New(fault.InvalidArgument, "a new key is named by an alias: the server chooses its id")
	}
	k, err := s.client.CreateKey(ctx, &client.CreateKeyRequest{
		Spec: aws.SpecName(kind.Spec), Usage: aws.UsageName(kind.Usage), Alias: u.Key,
	})
	if err != nil {
		return nil, err
	}
	_ = k // its alias names it
	return u, nil
}

// List returns all keys, by their ids: an alias may become another key's.
func (s *server) List(ctx context.Context, u *URI) ([]Listed, error) {
	var keys []Listed
	for p := (client.Page{}); ; {
		page, err := s.client.Keys(ctx, p)
		if err != nil {
			return nil, err
		}
		for _, item := range page.Keys {
			k, err := s.client.Key(ctx, item.ID)
			if err != nil {
				return nil, err
			}
			keys = append(keys, listedOf(u, k))
		}
		if p.After = page.Next; p.After == "" {
			return keys, nil
		}
	}
}

func listedOf(u *URI, k *client.Key) Listed {
	l := Listed{URI: u.with(k.ID).String(), State: engine.Unusable.String()}
	if spec, ok := aws.ParseSpec(k.Spec); ok {
		l.Spec = spec.String()
	} else {
		l.Type = k.Spec
	}
	switch k.State {
	case "enabled", "active":
		l.State = engine.Usable.String()
	case "disabled":
		l.State = engine.Disabled.String()
	case "pending deletion":
		l.State = engine.Deleted.String()
	}
	return l
}

// remoteKey is a key of a server.
type remoteKey struct {
	server *server
	id     string
	spec   alg.Spec
	public *engine.PublicKey
}

// context returns one for an operation whose caller has none.
func (r *remoteKey) context() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), r.server.timeout)
}

// Public returns the public half.
func (r *remoteKey) Public() crypto.PublicKey { return r.public.Key() }

type remoteSigner struct{ *remoteKey }

// Sign signs a digest, or a message where the algorithm has no hash.
func (r remoteSigner) Sign(_ io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	a, err := engine.SigningAlgorithm(r.spec, digest, opts)
	if err != nil {
		return nil, err
	}
	if opts == nil {
		opts = crypto.Hash(0)
	}
	ctx, cancel := r.context()
	defer cancel()
	s, err := r.server.client.Sign(ctx, r.id, &client.SignRequest{
		Algorithm: aws.AlgorithmName(a), Form: aws.FormName(engine.FormOf(opts)), Message: digest,
	})
	if err != nil {
		return nil, err
	}
	return s.Signature, nil
}

type remoteVerifier struct{ *remoteKey }

// Verify checks a signature or a code.
func (r remoteVerifier) Verify(a alg.Algorithm, m engine.Message, signature []byte) error {
	ctx, cancel := r.context()
	defer cancel()
	if a.Info().Usage == alg.GenerateVerifyMAC {
		_, err := r.server.client.VerifyMAC(ctx, r.id, &client.VerifyMACRequest{
			MACRequest: client.MACRequest{Algorithm: aws.AlgorithmName(a), Message: m.Bytes}, MAC: signature,
		})
		return err
	}
	_, err := r.server.client.Verify(ctx, r.id, &client.VerifyRequest{
		SignRequest: client.SignRequest{Algorithm: aws.AlgorithmName(a), Form: aws.FormName(m.Form), Message: m.Bytes}, Signature: signature,
	})
	return err
}

type remoteDecrypter struct{ *remoteKey }

// Decrypt undoes RSAES-OAEP.
func (r remoteDecrypter) Decrypt(_ io.Reader, ciphertext []byte, opts crypto.DecrypterOpts) ([]byte, error) {
	a, err := engine.DecryptionAlgorithm(r.spec, opts)
	if err != nil {
		return nil, err
	}
	return r.decrypt(&client.DecryptRequest{Key: r.id, Algorithm: aws.AlgorithmName(a), Ciphertext: ciphertext})
}

func (r *remoteKey) decrypt(req *client.DecryptRequest) ([]byte, error) {
	ctx, cancel := r.context()
	defer cancel()
	p, err := r.server.client.Decrypt(ctx, req)
	if err != nil {
		return nil, err
	}
	return p.Plaintext, nil
}

type remoteAEAD struct{ *remoteKey }

// Overhead returns by how many bytes a ciphertext is longer, about: only the
// server knows.
func (remoteAEAD) Overhead() int { return 256 }

// associatedOf returns associated data as an encryption context, in tink's
// spelling. What is too long for one is hashed.
func associatedOf(associated []byte) map[string]string {
	const most = 2 << 10
	switch {
	case len(associated) == 0:
		return nil
	case len(associated) > most:
		sum := sha256.Sum256(associated)
		return map[string]string{"associatedDataSHA256": hex.EncodeToString(sum[:])}
	}
	return map[string]string{"associatedData": hex.EncodeToString(associated)}
}

// Seal appends the encryption of plaintext to dst.
func (r remoteAEAD) Seal(dst, plaintext, associated []byte) ([]byte, error) {
	ctx, cancel := r.context()
	defer cancel()
	c, err := r.server.client.Encrypt(ctx, r.id, &client.EncryptRequest{Plaintext: plaintext, Context: associatedOf(associated)})
	if err != nil {
		return nil, err
	}
	return append(dst, c.Ciphertext...), nil
}

// Open appends the decryption of ciphertext to dst.
func (r remoteAEAD) Open(dst, ciphertext, associated []byte) ([]byte, error) {
	plaintext, err := r.decrypt(&client.DecryptRequest{Key: r.id, Ciphertext: ciphertext, Context: associatedOf(associated)})
	if err != nil {
		return nil, err
	}
	defer clear(plaintext)
	return append(dst, plaintext...), nil
}

type remoteMAC struct{ *remoteKey }

// Sum appends the code of message to dst.
func (r remoteMAC) Sum(dst, message []byte) ([]byte, error) {
	ctx, cancel := r.context()
	defer cancel()
	code, err := r.server.client.GenerateMAC(ctx, r.id, &client.MACRequest{
		Algorithm: aws.AlgorithmName(r.spec.For(alg.GenerateVerifyMAC)[0]), Message: message,
	})
	if err != nil {
		return nil, err
	}
	return append(dst, code.MAC...), nil
}

type remoteAgreement struct{ *remoteKey }

// Shared returns what the key shares with the owner of a public key.
func (r remoteAgreement) Shared(peer *engine.PublicKey) ([]byte, error) {
	if err := engine.CheckPeer(r.spec, peer); err != nil {
		return nil, err
	}
	ctx, cancel := r.context()
	defer cancel()
	s, err := r.server.client.DeriveSharedSecret(ctx, r.id, &client.SharedSecretRequest{PublicKey: peer.SPKI()})
	if err != nil {
		return nil, err
	}
	return s.Secret, nil
}
