package sshkey

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"sync"

	"golang.org/x/crypto/ssh"
)

// The messages of the agent's protocol that are answered
// (draft-ietf-sshm-ssh-agent section 7).
const (
	msgFailure           = 5
	msgRequestIdentities = 11
	msgIdentitiesAnswer  = 12
	msgSignRequest       = 13
	msgSignResponse      = 14

	flagSHA256 = 2
	flagSHA512 = 4

	// maxMessage bounds a message in bytes, as in OpenSSH.
	maxMessage = 256 << 10
)

// Key is a key that an Agent has.
type Key struct {
	Signer *Signer
	// Certificate is offered beside the key, if it is there.
	Certificate *ssh.Certificate
	// Comment is what ssh-add -l shows.
	Comment string
}

// Agent signs for the programs that ask at its socket. It only lists its keys
// and signs: adding, removing and locking are refused, for the keys are not
// its own. It asks nobody: whoever reaches the socket uses the keys.
type Agent struct {
	// Log has an entry for each signature, if it is not nil.
	Log *slog.Logger

	offers []offer
}

// offer is a public key or a certificate, by which clients ask.
type offer struct {
	blob []byte
	key  Key
}

// NewAgent returns an agent with the keys, which it offers in their order.
func NewAgent(keys ...Key) (*Agent, error) {
	a := &Agent{}
	for _, k := range keys {
		if c := k.Certificate; c != nil {
			if !bytes.Equal(c.Key.Marshal(), k.Signer.PublicKey().Marshal()) {
				return nil, fmt.Errorf("the certificate %q is for another key than %s", c.KeyId, k.Comment)
			}
			a.offers = append(a.offers, offer{c.Marshal(), k})
		}
		a.offers = append(a.offers, offer{k.Signer.PublicKey().Marshal(), k})
	}
	return a, nil
}

// Serve answers at the listener until ctx ends, and then closes it and every
// connection. It returns an error only when it ends for another reason.
func (a *Agent) Serve(ctx context.Context, l net.Listener) error {
	ctx, stop := context.WithCancel(ctx)
	var open sync.WaitGroup
	defer open.Wait()
	defer stop()
	defer func() { _ = l.Close() }()                 // whoever Serve returns to finds it closed
	context.AfterFunc(ctx, func() { _ = l.Close() }) // Accept tells
	for {
		c, err := l.Accept()
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return err
		}
		open.Go(func() {
			defer context.AfterFunc(ctx, func() { _ = c.Close() })()
			defer func() { _ = c.Close() }() // the client is told by the end of it
			a.ServeConn(ctx, c)
		})
	}
}

// ServeConn answers one client until it ends, or sends what is no message.
func (a *Agent) ServeConn(ctx context.Context, c io.ReadWriter) {
	for {
		request, err := readMessage(c)
		if err != nil {
			return
		}
		answer := a.answer(ctx, request)
		if _, err := c.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(answer))), answer...)); err != nil { //nolint:gosec // bounded by the keys
			return
		}
	}
}

// readMessage reads a message after its length.
func readMessage(r io.Reader) ([]byte, error) {
	var length [4]byte
	if _, err := io.ReadFull(r, length[:]); err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint32(length[:])
	if n == 0 || n > maxMessage {
		return nil, errors.New("a message of an impossible length")
	}
	message := make([]byte, n)
	_, err := io.ReadFull(r, message)
	return message, err
}

// answer answers one message.
func (a *Agent) answer(ctx context.Context, request []byte) []byte {
	switch request[0] {
	case msgRequestIdentities:
		if len(request) == 1 {
			return a.identities()
		}
	case msgSignRequest:
		answer, err := a.sign(ctx, request)
		if err == nil {
			return answer
		}
		if a.Log != nil {
			a.Log.LogAttrs(ctx, slog.LevelWarn, "not signed", slog.Any("err", err))
		}
	}
	return []byte{msgFailure}
}

// identities lists the keys.
func (a *Agent) identities() []byte {
	answer := binary.BigEndian.AppendUint32([]byte{msgIdentitiesAnswer}, uint32(len(a.offers))) //nolint:gosec // the keys are few
	for _, o := range a.offers {
		answer = append(answer, ssh.Marshal(struct {
			Blob    []byte
			Comment string
		}{o.blob, o.key.Comment})...)
	}
	return answer
}

// sign answers a request for a signature.
func (a *Agent) sign(ctx context.Context, request []byte) ([]byte, error) {
	var r struct {
		Blob  []byte `sshtype:"13"`
		Data  []byte
		Flags uint32
	}
	if err := ssh.Unmarshal(request, &r); err != nil {
		return nil, err
	}
	for _, o := range a.offers {
		if !bytes.Equal(o.blob, r.Blob) {
			continue
		}
		algorithm := o.key.algorithm(r.Flags)
		signature, err := o.key.Signer.SignWithAlgorithm(rand.Reader, r.Data, algorithm)
		if err != nil {
			return nil, fmt.Errorf("signing with %s: %w", o.key.Comment, err)
		}
		if a.Log != nil {
			a.Log.LogAttrs(ctx, slog.LevelInfo, "signed", slog.String("key", o.key.Comment),
				slog.String("fingerprint", ssh.FingerprintSHA256(o.key.Signer.PublicKey())), slog.String("algorithm", algorithm))
		}
		return ssh.Marshal(struct {
			Signature []byte `sshtype:"14"`
		}{ssh.Marshal(signature)}), nil
	}
	return nil, errors.New("a client asks for a key that the agent does not have")
}

// algorithm returns the algorithm that the flags ask for. They are for RSA
// only. None of them means SHA-1 there, for which the key's preferred
// algorithm is used: a signature names its own, and programs that ask without
// flags, such as ssh-add -T, verify it by that.
func (k *Key) algorithm(flags uint32) string {
	if k.Signer.PublicKey().Type() == ssh.KeyAlgoRSA {
		switch {
		case flags&flagSHA512 != 0:
			return ssh.KeyAlgoRSASHA512
		case flags&flagSHA256 != 0:
			return ssh.KeyAlgoRSASHA256
		}
	}
	return k.Signer.algorithms[0]
}
