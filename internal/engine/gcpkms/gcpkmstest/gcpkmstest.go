// Package gcpkmstest is a Cloud KMS on a loopback address: the calls of
// google.cloud.kms.v1.KeyManagementService that an engine makes, with keys in
// memory and real cryptography, over gRPC and TLS with access tokens.
//
// It is built from the API's published reference, and misbehaves to order
// (package remotetest). Start with Start; it needs no test around it, only
// something that implements testing.TB. The package is internal and may change
// with any release.
package gcpkmstest

import (
	"crypto/rsa"
	"crypto/tls"
	"net"
	"net/http"
	"sync"
	"testing"

	"cloud.google.com/go/kms/apiv1/kmspb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	"github.com/holdfast-kms/holdfast/internal/remote/remotetest"
	"github.com/holdfast-kms/holdfast/internal/wire/gcp"
)

// Location is the place of all key rings.
const Location = "projects/holdfast-test/locations/europe-west3"

// Server is a Cloud KMS. All methods may be called at the same time.
type Server struct {
	kmspb.UnimplementedKeyManagementServiceServer
	remotetest.Orders

	// Address is the endpoint: "host:port" of gRPC over TLS.
	Address string
	// CA is the certificate in PEM that the endpoint's chain ends in.
	CA []byte
	// KeyRing is the name of a key ring that is there.
	KeyRing string

	door    *door
	wires   *wires
	pending sync.WaitGroup // keys that are being made

	mu    sync.Mutex
	rings map[string]*ring // by name; guarded by mu, as all that is under them
	wrong wrong            // guarded by mu

	rsa map[int]func() (*rsa.PrivateKey, error) // by size; guarded by mu
}

var _ remotetest.Service = (*Server)(nil)

// Start starts a Cloud KMS that ends with tb.
func Start(tb testing.TB) *Server {
	tb.Helper()
	s := &Server{rings: map[string]*ring{}, rsa: map[int]func() (*rsa.PrivateKey, error){}}
	var certificate tls.Certificate
	var err error
	if certificate, s.CA, err = newCertificate(); err != nil {
		tb.Fatal(err)
	}
	if s.door, err = newDoor(); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(s.door.close)
	l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // listens at once
	if err != nil {
		tb.Fatal(err)
	}
	s.Address = l.Addr().String()
	s.wires = &wires{Listener: l, open: map[string]*wire{}}
	g := grpc.NewServer(
		grpc.Creds(credentials.NewTLS(&tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12})),
		grpc.UnaryInterceptor(s.intercept),
	)
	kmspb.RegisterKeyManagementServiceServer(g, s)
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = g.Serve(s.wires) // ends by Stop
	}()
	tb.Cleanup(func() {
		g.Stop()
		<-served
		s.pending.Wait()
	})
	s.KeyRing = s.NewKeyRing("ring")
	return s
}

// NewKeyRing makes a key ring in Location and returns its name.
func (s *Server) NewKeyRing(id string) string {
	name := Location + "/keyRings/" + id
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rings[name] = &ring{keys: map[string]*cryptoKey{}, jobs: map[string]*importJob{}}
	return name
}

// Credentials returns a workload identity's configuration in JSON whose tokens
// the server takes: the subject's token and the access token come from a
// loopback address, too.
func (s *Server) Credentials() []byte { return s.door.external() }

// ServiceAccount returns the key of a service account in JSON that the server
// knows: its holder signs access tokens himself.
func (s *Server) ServiceAccount() ([]byte, error) { return s.door.serviceAccount() }

// Token returns an access token that the server takes.
func (s *Server) Token() string { return s.door.issue() }

// Revoke has the server take no access token that was given out so far.
func (s *Server) Revoke() { s.door.revoke() }

// Tokens returns how many access tokens were given out.
func (s *Server) Tokens() int { return s.door.count() }

// Keys returns how many versions there are whose material is neither
// destroyed nor about to be.
func (s *Server) Keys() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, r := range s.rings {
		for _, k := range r.keys {
			for _, v := range k.versions {
				switch v.proto.GetState() {
				case kmspb.CryptoKeyVersion_DESTROYED, kmspb.CryptoKeyVersion_DESTROY_SCHEDULED, kmspb.CryptoKeyVersion_IMPORT_FAILED:
				default:
					n++
				}
			}
		}
	}
	return n
}

// EndDestruction ends the waiting period of all versions that are about to be
// destroyed.
func (s *Server) EndDestruction() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.rings {
		for _, k := range r.keys {
			for _, v := range k.versions {
				if v.proto.GetState() == kmspb.CryptoKeyVersion_DESTROY_SCHEDULED {
					v.proto.State, v.material = kmspb.CryptoKeyVersion_DESTROYED, nil
				}
			}
		}
	}
}

// Wrong is what the server does to an answer.
type Wrong uint8

// The wrong answers.
const (
	// Checksum changes the checksums of an answer.
	Checksum Wrong = iota + 1
	// Unverified says that the request's checksums did not arrive.
	Unverified
	// Name says that another version was used.
	Name
)

// Answer spares so many requests, and answers the n after them wrongly.
func (s *Server) Answer(w Wrong, spare, n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.wrong = wrong{w, spare, n}
}

// httpServer is where the tokens come from.
func httpServer(h http.Handler) (*http.Server, net.Listener, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // listens at once
	return &http.Server{Handler: h, ReadHeaderTimeout: readHeader}, l, err
}

// ringOf returns a key ring, or nil.
func (s *Server) ringOf(n gcp.KeyRingName) *ring { return s.rings[n.String()] }
