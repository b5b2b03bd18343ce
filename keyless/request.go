package keyless

import (
	"context"
	"crypto"
	"errors"
	"net/netip"

	wire "github.com/holdfast-kms/holdfast/internal/wire/keyless"
)

// Request is one operation, with what the key server may be told of what it is
// for. Only Key and Input are needed.
type Request struct {
	// Key is the key, from Client.Key. With nil, Seal and Unseal use the key that
	// the server has for that.
	Key *Key
	// Input is a digest or message to sign, or what is to be decrypted, sealed or
	// unsealed; at most 32 KiB.
	Input []byte
	// Options say how, as those of crypto.Signer and crypto.Decrypter do.
	Options any
	// ServerName is the name that a TLS client asked for, ClientIP its address,
	// ServerIP the one it connected to.
	ServerName         string
	ClientIP, ServerIP netip.Addr
	// CertificateID is a certificate's id, by which a server may find the key.
	CertificateID string
}

// operation returns the packet of a request.
func (r *Request) operation(opcode wire.Opcode) (*wire.Operation, error) {
	if len(r.Input) > wire.MaxPayload {
		return nil, errors.New("keyless: the input is longer than 32 KiB")
	}
	if len(r.ServerName)+len(r.CertificateID) > 1<<10 {
		return nil, errors.New("keyless: the names in the request are longer than 1 KiB")
	}
	op := &wire.Operation{Opcode: opcode, Payload: r.Input, CertID: []byte(r.CertificateID), SNI: []byte(r.ServerName)}
	if r.Key != nil {
		op.SKI = r.Key.ski[:]
	}
	if r.ClientIP.IsValid() {
		op.ClientIP = r.ClientIP.Unmap().AsSlice()
	}
	if r.ServerIP.IsValid() {
		op.ServerIP = r.ServerIP.Unmap().AsSlice()
	}
	return op, nil
}

// Sign signs Input, a digest of the hash that Options, a crypto.SignerOpts,
// name, or with Ed25519 a message. It takes as long as Timeout and ctx allow.
func (c *Client) Sign(ctx context.Context, r *Request) ([]byte, error) {
	opts, ok := r.Options.(crypto.SignerOpts)
	if !ok {
		return nil, errors.New("keyless: the options of a signature are no crypto.SignerOpts")
	}
	if r.Key == nil {
		return nil, errNoKey
	}
	opcode, err := signingOpcode(r.Key.public, r.Input, opts)
	if err != nil {
		return nil, err
	}
	return c.send(ctx, r, opcode)
}

// Decrypt decrypts Input with an RSA key, with Options as those of
// rsa.PrivateKey's Decrypt: nil or *rsa.PKCS1v15DecryptOptions for PKCS #1 v1.5,
// *rsa.OAEPOptions for OAEP.
func (c *Client) Decrypt(ctx context.Context, r *Request) ([]byte, error) {
	if r.Key == nil {
		return nil, errNoKey
	}
	unpad, err := unpadding(r.Key.public, r.Input, r.Options)
	if err != nil {
		return nil, err
	}
	message, err := c.send(ctx, r, wire.OpRSARawDecrypt)
	if err != nil {
		return nil, err
	}
	defer clear(message)
	return unpad(message)
}

// Seal has a server encrypt Input under a key that all servers have, such as
// the keys of session tickets that several TLS servers share.
func (c *Client) Seal(ctx context.Context, r *Request) ([]byte, error) {
	return c.send(ctx, r, wire.OpSeal)
}

// Unseal decrypts what Seal made.
func (c *Client) Unseal(ctx context.Context, r *Request) ([]byte, error) {
	return c.send(ctx, r, wire.OpUnseal)
}

var errNoKey = errors.New("keyless: the request names no key")

func (c *Client) send(ctx context.Context, r *Request, opcode wire.Opcode) ([]byte, error) {
	op, err := r.operation(opcode)
	if err != nil {
		return nil, err
	}
	return c.do(ctx, op)
}
