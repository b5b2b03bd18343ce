package main

import (
	"context"
	crand "crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"golang.org/x/crypto/ocsp"

	message "github.com/holdfast-kms/holdfast/internal/ocsp"
)

// The bars of revoking and of saying so.
const (
	revokeBar   = 5 * time.Millisecond
	listBar     = 200 << 20 // bytes of resident memory
	answerBar   = 15000     // OCSP answers a core-second
	revocations = 200       // measured at each size
	responders  = 1000      // certificates that are asked about
)

// listSizes are how many certificates are revoked already.
func listSizes() []int { return []int{10, 100_000, 1_000_000} }

// revocationCost is what a revocation costs, and the list of all, when many
// certificates are revoked already.
type revocationCost struct {
	Revoked int     `json:"revoked"`
	P50     float64 `json:"revoke_p50_ms"`
	P99     float64 `json:"revoke_p99_ms"`
	CPU     float64 `json:"revoke_cpu_us"`
	// List is how long after its start, with no list at hand, the server
	// gives the whole list, and ListCPU the processor time until then.
	List     float64 `json:"list_s"`
	ListCPU  float64 `json:"list_cpu_s"`
	Bytes    int     `json:"list_bytes"`
	Resident float64 `json:"peak_rss_mb"` // of the server's life until then
}

// answerCost is what an OCSP answer costs.
type answerCost struct {
	Method string  `json:"method"`
	CPU    float64 `json:"cpu_us"`
	Rate   float64 `json:"answers_per_core_second"`
}

// issued is a certificate of the bench authority.
type issued struct {
	*x509.Certificate
	issuer *x509.Certificate
}

// buildFiller builds the program that fills stores and looks certificates up.
func (l *lab) buildFiller(ctx context.Context) (string, error) {
	filler := filepath.Join(l.work, "lookups")
	out, err := exec.CommandContext(ctx, "go", "build", "-o", filler, "./bench/lookups").CombinedOutput() //nolint:gosec // our own program
	if err != nil {
		return "", fmt.Errorf("building the filler: %w\n%s", err, out)
	}
	return filler, nil
}

// lookups measures look-ups in the inventory among few and very many
// certificates, which the program of that name does and prints.
func (l *lab) lookups(ctx context.Context) error {
	filler, err := l.buildFiller(ctx)
	if err != nil {
		return err
	}
	say(l.out, "\n")
	argv := append(slices.Clone(l.prefix), filler, "-count", strconv.Itoa(l.certificates), "-dir", l.work)
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...) //nolint:gosec // our own program
	cmd.Stdout, cmd.Stderr = l.out, os.Stderr
	return cmd.Run()
}

// revoking measures revocations among few, many and very many.
func (l *lab) revoking(ctx context.Context) ([]revocationCost, error) {
	filler, err := l.buildFiller(ctx)
	if err != nil {
		return nil, err
	}
	var all []revocationCost
	for _, n := range listSizes() {
		c, err := l.revokeAmong(ctx, filler, n)
		if err != nil {
			return nil, fmt.Errorf("among %d: %w", n, err)
		}
		all = append(all, *c)
	}
	return all, nil
}

func (l *lab) revokeAmong(ctx context.Context, filler string, n int) (*revocationCost, error) {
	dir := filepath.Join(l.work, "revoked-"+strconv.Itoa(n))
	s, err := l.startHoldfast(ctx, dir, true)
	if err != nil {
		return nil, err
	}
	sub := &subject{server: s}
	if err := errors.Join(sub.makeAuthority(ctx), s.stop()); err != nil {
		return nil, err
	}
	// What is filled in says nothing of a list that was made before.
	if err := os.RemoveAll(filepath.Join(dir, "crl")); err != nil {
		return nil, err
	}
	args := []string{"-store", filepath.Join(dir, "holdfast.db"), "-authority", sub.authority, "-count", strconv.Itoa(n), "-every", "1"}
	if out, err := exec.CommandContext(ctx, filler, args...).CombinedOutput(); err != nil { //nolint:gosec // our own program
		return nil, fmt.Errorf("filling: %w\n%s", err, out)
	}
	if sub.server, err = l.startHoldfast(ctx, dir, true); err != nil {
		return nil, err
	}
	c := &revocationCost{Revoked: n}
	err = errors.Join(sub.list(ctx, c), sub.revoke(ctx, c))
	return c, errors.Join(err, sub.stop(), os.RemoveAll(dir))
}

// list waits for the list of all.
func (s *subject) list(ctx context.Context, c *revocationCost) error {
	began := time.Now()
	der, err := s.published(ctx, s.authority+".crl")
	if err != nil {
		return err
	}
	c.List, c.Bytes = (s.ready + time.Since(began)).Seconds(), len(der)
	list, err := x509.ParseRevocationList(der)
	if err != nil {
		return err
	}
	if len(list.RevokedCertificateEntries) < c.Revoked {
		return fmt.Errorf("the list has %d entries, of %d", len(list.RevokedCertificateEntries), c.Revoked)
	}
	cpu, err := s.cpu()
	if err != nil {
		return err
	}
	peak, err := s.memory("VmHWM")
	c.ListCPU, c.Resident = cpu.Seconds(), float64(peak)/(1<<20)
	return err
}

// revoke revokes certificates one by one, and asks after each.
func (s *subject) revoke(ctx context.Context, c *revocationCost) error {
	if err := s.calm(ctx); err != nil {
		return err
	}
	list, err := s.issueSome(ctx, revocations)
	if err != nil {
		return err
	}
	conn := &conn{addr: s.addr}
	defer conn.close()
	var out outcome
	var used time.Duration
	for _, one := range list {
		before, err := s.cpu()
		if err != nil {
			return err
		}
		request := s.nativeRequest("/holdfast/v1/certificates/"+s.authority+"/"+one.SerialNumber.Text(16)+"/revoke", []byte(`{"reason":"superseded"}`))
		began := time.Now()
		if _, err := conn.exchange(ctx, request); err != nil {
			return err
		}
		out.latencies = append(out.latencies, time.Since(began))
		after, err := s.cpu()
		if err != nil {
			return err
		}
		used += after - before
		if err := s.ask(ctx, conn, one, ocsp.Revoked); err != nil {
			return err
		}
	}
	c.P50, c.P99 = milliseconds(out.quantile(0.5)), milliseconds(out.quantile(0.99))
	c.CPU = microseconds(used) / float64(len(list))
	return nil
}

// issueSome has certificates issued for one CSR.
func (s *subject) issueSome(ctx context.Context, n int) ([]issued, error) {
	csr, err := newCSR()
	if err != nil {
		return nil, err
	}
	body, err := json.Marshal(map[string]any{"authority": s.authority, "profile": "tls-server", "csr": csr})
	if err != nil {
		return nil, err
	}
	der, err := s.published(ctx, s.authority+".cer")
	if err != nil {
		return nil, err
	}
	issuer, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	c := &conn{addr: s.addr}
	defer c.close()
	var list []issued
	for range n {
		answer, err := c.exchange(ctx, s.nativeRequest("/holdfast/v1/certificates", body))
		if err != nil {
			return nil, err
		}
		var made struct {
			Certificate string `json:"certificate"`
		}
		if err := json.Unmarshal(answer, &made); err != nil {
			return nil, err
		}
		block, _ := pem.Decode([]byte(made.Certificate))
		if block == nil {
			return nil, fmt.Errorf("no certificate in %.300s", answer)
		}
		one, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, err
		}
		list = append(list, issued{one, issuer})
	}
	return list, nil
}

// question returns the bytes of an OCSP request by POST, with a nonce (RFC
// 9654) or without.
func (s *subject) question(one issued, nonce bool) ([]byte, error) {
	der, err := ocsp.CreateRequest(one.Certificate, one.issuer, nil)
	if err == nil && nonce {
		der, err = withNonce(der)
	}
	if err != nil {
		return nil, err
	}
	return fmt.Appendf(nil, "POST /pki/%s/ocsp HTTP/1.1\r\nHost: %s\r\nContent-Type: application/ocsp-request\r\nContent-Length: %d\r\n\r\n%s",
		s.authority, s.addr, len(der), der), nil
}

// ask asks about a certificate and checks the answer.
func (s *subject) ask(ctx context.Context, c *conn, one issued, want int) error {
	request, err := s.question(one, false)
	if err != nil {
		return err
	}
	answer, err := c.exchange(ctx, request)
	if err != nil {
		return err
	}
	got, err := ocsp.ParseResponseForCert(answer, one.Certificate, one.issuer)
	if err != nil {
		return err
	}
	if got.Status != want {
		return fmt.Errorf("OCSP says %d, want %d", got.Status, want)
	}
	return nil
}

// published gets a file of the authority.
func (s *subject) published(ctx context.Context, name string) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.addr+"/pki/"+name, http.NoBody)
	if err != nil {
		return nil, err
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer func() { _ = answer.Body.Close() }() // read to its end
	body, err := io.ReadAll(answer.Body)
	if err == nil && answer.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", name, answer.Status)
	}
	return body, err
}

// answering measures OCSP answers by POST: about certificates whose answers
// are ready, and with a nonce, which makes each answer one of its own.
func (l *lab) answering(ctx context.Context) ([]answerCost, error) {
	s, err := l.startHoldfast(ctx, filepath.Join(l.work, "ocsp"), true)
	if err != nil {
		return nil, err
	}
	sub := &subject{server: s}
	costs, err := sub.answering(ctx, l)
	return costs, errors.Join(err, s.stop())
}

func (s *subject) answering(ctx context.Context, l *lab) ([]answerCost, error) {
	if err := s.makeAuthority(ctx); err != nil {
		return nil, err
	}
	list, err := s.issueSome(ctx, responders)
	if err != nil {
		return nil, err
	}
	c := &conn{addr: s.addr}
	defer c.close()
	var plain, once [][]byte
	for _, one := range list {
		if err := s.ask(ctx, c, one, ocsp.Good); err != nil {
			return nil, err
		}
		request, err := s.question(one, false)
		if err != nil {
			return nil, err
		}
		plain = append(plain, request)
		if request, err = s.question(one, true); err != nil {
			return nil, err
		}
		once = append(once, request)
	}
	if err := s.calm(ctx); err != nil {
		return nil, err
	}
	var costs []answerCost
	for _, kind := range []struct {
		name     string
		requests [][]byte
	}{{"POST, answer ready", plain}, {"POST with a nonce", once}} {
		cost, err := s.answers(ctx, l, kind.requests)
		if err != nil {
			return nil, err
		}
		cost.Method = kind.name
		costs = append(costs, *cost)
	}
	return costs, nil
}

// answers measures the answers to some requests: the median of the rounds.
func (s *subject) answers(ctx context.Context, l *lab, requests [][]byte) (*answerCost, error) {
	// The first bytes of every answer but a refusal: OCSPResponseStatus
	// successful (RFC 6960 section 4.2.1).
	load := &load{addr: s.addr, conns: 64, mark: []byte{0x0a, 0x01, 0x00}, request: func(int) []byte {
		return requests[rand.IntN(len(requests))] //nolint:gosec // which one is no secret
	}}
	var all []float64
	for range l.rounds {
		c, err := s.under(ctx, load, l.duration)
		if err != nil {
			return nil, err
		}
		all = append(all, c.CPU)
	}
	slices.Sort(all)
	cpu := all[len(all)/2]
	return &answerCost{CPU: cpu, Rate: 1e6 / cpu}, nil
}

func printRevocations(out io.Writer, all []revocationCost) {
	say(out, "\nrevoked already   revoke p50 ms   p99 ms   CPU µs   list ready s   CPU s   list MB   peak RSS MB\n")
	for _, c := range all {
		say(out, "%15d   %13.2f   %6.2f   %6.0f   %12.1f   %5.1f   %7.1f   %11.0f\n",
			c.Revoked, c.P50, c.P99, c.CPU, c.List, c.ListCPU, float64(c.Bytes)/1e6, c.Resident)
	}
	worst := slices.MaxFunc(all, func(a, b revocationCost) int { return int(1000 * (a.P99 - b.P99)) })
	say(out, "revoking among any number: p99 %.2f ms (bar %d ms: %s), seen by OCSP at once\n",
		worst.P99, revokeBar.Milliseconds(), pass(worst.P99 < milliseconds(revokeBar)))
	last := all[len(all)-1]
	say(out, "memory while the list of %d is made: %.0f MB at most (bar %d: %s)\n",
		last.Revoked, last.Resident, listBar>>20, pass(last.Resident < listBar>>20))
}

func printAnswers(out io.Writer, all []answerCost) {
	for i, c := range all {
		say(out, "OCSP, %s: %.1f µs CPU, %.0f answers a core-second", c.Method, c.CPU, c.Rate)
		if i == 0 {
			say(out, " (bar %d: %s)", answerBar, pass(c.Rate >= answerBar))
		}
		say(out, "\n")
	}
}

// withNonce adds a random nonce to an OCSP request.
func withNonce(der []byte) ([]byte, error) {
	request, err := message.ParseRequest(der)
	if err != nil {
		return nil, err
	}
	request.Nonce = make([]byte, 32)
	if _, err := crand.Read(request.Nonce); err != nil {
		return nil, err
	}
	return request.Encode()
}
