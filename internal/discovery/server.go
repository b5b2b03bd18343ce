package discovery

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"sync"
)

// Servers asks TLS servers for their certificates, several at a time, and
// calls found with what each says, one call at a time and in no order. It
// trusts nobody and sends nothing but a handshake: what the certificates are
// worth is for others to say. It returns when all have answered, or ctx ends.
func Servers(ctx context.Context, targets []Target, o Options, found func(Finding)) error {
	o = o.withDefaults()
	work := make(chan Target)
	results := make(chan Finding)
	var workers sync.WaitGroup
	for range min(o.Parallel, len(targets)) {
		workers.Go(func() {
			for t := range work {
				results <- ask(ctx, t, o)
			}
		})
	}
	go func() { // ends with the targets or ctx, and then the workers do
		defer close(work)
		for _, t := range targets {
			select {
			case work <- t:
			case <-ctx.Done():
				return
			}
		}
	}()
	go func() { // ends after the workers
		workers.Wait()
		close(results)
	}()
	for f := range results {
		found(f)
	}
	return ctx.Err()
}

// ask does one handshake.
func ask(ctx context.Context, t Target, o Options) Finding {
	f := Finding{Address: t.Address, Name: t.Name}
	if host, _, err := net.SplitHostPort(t.Address); err == nil && f.Name == "" && !isAddress(host) {
		f.Name = host
	}
	ctx, cancel := context.WithTimeout(ctx, o.Timeout)
	defer cancel()
	dialer := tls.Dialer{Config: &tls.Config{
		ServerName: f.Name,
		// It looks for bad certificates and old servers as well as for good ones.
		InsecureSkipVerify: true, //nolint:gosec // see above: nothing is sent, and nothing that is read is trusted
		MinVersion:         tls.VersionTLS10,
		CipherSuites:       everySuite(),
		// A server that goes on to ask for a client's certificate has shown its
		// own before.
		VerifyConnection: func(state tls.ConnectionState) error {
			for _, c := range state.PeerCertificates {
				f.Chain = append(f.Chain, c.Raw)
			}
			return nil
		},
	}}
	conn, err := dialer.DialContext(ctx, "tcp", t.Address)
	if err != nil {
		if len(f.Chain) == 0 {
			f.Err = unreachable(ctx, err)
		}
		return f
	}
	if secure, ok := conn.(*tls.Conn); ok {
		f.Protocol = tls.VersionName(secure.ConnectionState().Version)
	}
	_ = conn.Close() // it has told what it had to
	if len(f.Chain) == 0 {
		f.Err = errors.New("the server has shown no certificate")
	}
	return f
}

// unreachable is the error of a server without an answer.
func unreachable(ctx context.Context, err error) error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return errors.New("no answer in time")
	}
	if not, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		return fmt.Errorf("the server speaks no TLS: %s", not.Msg)
	}
	return err
}

// everySuite returns all cipher suites, weak ones as well.
func everySuite() []uint16 {
	var ids []uint16
	for _, s := range append(tls.CipherSuites(), tls.InsecureCipherSuites()...) {
		ids = append(ids, s.ID)
	}
	return ids
}
