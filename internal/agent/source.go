package agent

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/google/uuid"

	"github.com/holdfast-kms/holdfast/client"
	"github.com/holdfast-kms/holdfast/internal/keystore"
)

// Source is what an agent asks. *client.Client is one.
type Source interface {
	Managed(ctx context.Context, id string) (*client.Managed, error)
	ExportManaged(ctx context.Context, id, passphrase string) (*client.ExportedManaged, error)
	Issue(ctx context.Context, req *client.IssueRequest) (*client.IssuedCertificate, error)
	Certificate(ctx context.Context, authority, serial string) (*client.Certificate, error)
	ReportDeployment(ctx context.Context, r *client.DeploymentReport) error
}

// orderLife is how long an order is repeated as it is: the server knows its
// token for about as long.
const orderLife = 4 * time.Minute

// look asks whether there is another certificate than the one in place or on
// its way, and if so makes it the candidate.
func (u *unit) look(ctx context.Context, now time.Time) error {
	if u.c.Managed != "" {
		return u.lookManaged(ctx)
	}
	return u.lookRequested(ctx, now)
}

// lookManaged fetches the managed certificate when it is another one.
func (u *unit) lookManaged(ctx context.Context) error {
	m, err := u.source.Managed(ctx, u.c.Managed)
	if err != nil {
		return err
	}
	if m.State != "issued" {
		return fmt.Errorf("the managed certificate is %s", m.State)
	}
	if u.has(m.Serial) {
		return nil
	}
	leaf, chain := m.Certificate, m.Chain
	var key []byte
	if u.c.needsKey() {
		passphrase := rand.Text()
		x, err := u.source.ExportManaged(ctx, u.c.Managed, passphrase)
		if err != nil {
			return err
		}
		leaf, chain = x.Certificate, x.Chain
		if key, err = keystore.DecryptKey([]byte(x.PrivateKey), []byte(passphrase)); err != nil {
			return err
		}
		defer clear(key)
	}
	got, err := fromPEM(leaf, chain, key)
	if err != nil {
		return err
	}
	return u.propose(got, candidate{Authority: m.Authority})
}

// has reports whether a certificate is in place or on its way.
func (u *unit) has(serial string) bool {
	if c := u.state.Candidate; c != nil {
		return c.Serial == serial
	}
	return u.state.Current != nil && u.state.Current.Serial == serial
}

// fromPEM returns the material of texts in PEM and a key in DER.
func fromPEM(leaf, chain string, key []byte) (*material, error) {
	own, err := keystore.ParseCertificates("certificate", []byte(leaf))
	if err != nil {
		return nil, err
	}
	var issuers [][]byte
	if chain != "" {
		if issuers, err = keystore.ParseCertificates("chain", []byte(chain)); err != nil {
			return nil, err
		}
	}
	return newMaterial(own[0], append(own[1:], issuers...), key)
}

// propose makes a certificate the candidate.
func (u *unit) propose(m *material, c candidate) error {
	u.state.Version++
	c.Version, c.Serial = u.state.Version, m.serial()
	if err := u.folder.put(c.Version, m); err != nil {
		return err
	}
	u.state.Candidate = &c
	return u.folder.keep(u.state)
}

// lookRequested asks for a certificate when the one in place is due, revoked,
// or not what the configuration asks for any more.
func (u *unit) lookRequested(ctx context.Context, now time.Time) error {
	digest := u.c.Request.order()
	if c := u.state.Candidate; c != nil && c.Order == digest {
		if m, err := u.folder.get(c.Version); err == nil && now.Before(u.due(m.leaf.NotBefore, m.leaf.NotAfter, c.Serial)) {
			return nil // it is tried again, and not replaced by one like it
		}
	}
	wanted, err := u.wanted(ctx, digest, now)
	if err != nil || !wanted {
		return err
	}
	o, key, err := u.order(digest, now)
	if err != nil {
		return err
	}
	r := u.c.Request
	got, err := u.source.Issue(ctx, &client.IssueRequest{
		Authority: r.Authority, Profile: r.Profile, CSR: o.CSR, Validity: r.Validity, Token: o.Token,
	})
	if err != nil {
		if refused(err) { // the same again would be refused as well
			u.state.Order = nil
		}
		return err
	}
	m, err := fromPEM(got.Certificate.Certificate, got.Chain, key)
	if err != nil {
		return err
	}
	u.state.Order = nil
	if err := u.propose(m, candidate{Authority: got.Authority, Order: digest}); err != nil {
		return err
	}
	return remove(u.folder.path("order.key"))
}

// wanted reports whether another certificate is to be asked for.
func (u *unit) wanted(ctx context.Context, digest string, now time.Time) (bool, error) {
	c := u.state.Current
	if c == nil || c.Order != digest {
		return true, nil
	}
	if !now.Before(u.due(c.From, c.Until, c.Serial)) {
		return true, nil
	}
	issued, err := u.source.Certificate(ctx, c.Authority, c.Serial)
	if err != nil {
		return false, err
	}
	return issued.State == "revoked", nil
}

// due returns when a requested certificate is to be renewed.
func (u *unit) due(from, until time.Time, serial string) time.Time {
	return u.c.Request.Renew.due(from, until, u.seed()+serial)
}

// refused reports whether the server said no, and not that it could not.
func refused(err error) bool {
	e, ok := errors.AsType[*client.Error](err)
	return ok && e.Status/100 == 4
}

// order returns the order on its way, or a new one, with its key in PKCS #8.
func (u *unit) order(digest string, now time.Time) (*order, []byte, error) {
	path := u.folder.path("order.key")
	if o := u.state.Order; o != nil && o.Digest == digest && now.Sub(o.At) < orderLife && !now.Before(o.At) {
		if text, err := os.ReadFile(path); err == nil { //nolint:gosec // the state directory's own file
			key, err := keystore.ParseKey(text)
			return o, key, err
		}
	}
	signer, err := u.signer()
	if err != nil {
		return nil, nil, err
	}
	key, err := x509.MarshalPKCS8PrivateKey(signer)
	if err != nil {
		return nil, nil, err
	}
	csr, err := u.c.Request.csr(signer)
	if err != nil {
		return nil, nil, err
	}
	if err := replaceFile(path, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})); err != nil {
		return nil, nil, err
	}
	u.state.Order = &order{Digest: digest, CSR: csr, Token: uuid.NewString(), At: now}
	return u.state.Order, key, u.folder.keep(u.state)
}

// signer returns the key of the next certificate: the one in place where that
// is to stay and fits, else a new one.
func (u *unit) signer() (crypto.Signer, error) {
	r := u.c.Request
	if c := u.state.Current; r.ReuseKey && c != nil && c.Order == r.order() {
		if m, err := u.folder.get(c.Version); err == nil && m.Key != nil {
			private, err := x509.ParsePKCS8PrivateKey(m.Key)
			if s, ok := private.(crypto.Signer); ok && err == nil {
				return s, nil
			}
		}
	}
	return generators[r.Key]()
}
