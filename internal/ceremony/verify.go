package ceremony

import (
	"crypto/ed25519"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/holdfast-kms/holdfast/internal/cert"
	"github.com/holdfast-kms/holdfast/internal/fault"
)

// Report is what a transcript that verifies says.
type Report struct {
	Ceremony  string    `json:"ceremony"`
	Purpose   string    `json:"purpose,omitempty"`
	Rehearsal bool      `json:"rehearsal,omitempty"`
	Operator  string    `json:"operator"`
	Witnesses []string  `json:"witnesses"`
	Tool      string    `json:"tool"`
	Began     time.Time `json:"began"`
	Ended     time.Time `json:"ended"`
	// Interrupted counts how often the ceremony was gone on with.
	Interrupted int `json:"interrupted,omitempty"`
	Steps       int `json:"steps"`
	// ScriptSHA256 is of the script, SHA256 of the transcript itself.
	ScriptSHA256 string `json:"script_sha256"`
	SHA256       string `json:"transcript_sha256"`
	// Root is the subject of the certificate under which it is signed, and
	// RootSHA256 that certificate's fingerprint.
	Root       string `json:"root"`
	RootSHA256 string `json:"root_sha256"`
	// Facts are of the lock: the audit log's head among them.
	Facts []Fact `json:"facts"`
	// Files are all inputs and outputs. Checked are the names of the outputs
	// that lie beside the transcript and are as they were; Missing those that
	// do not lie there.
	Files   []File   `json:"files"`
	Checked []string `json:"checked"`
	Missing []string `json:"missing,omitempty"`
}

// Verify checks a transcript with nothing but the certificate of the root
// under which it was signed, PEM or DER: the chain through its lines, the
// signature, and that the root itself certified the signer for this. It
// compares the outputs that lie beside the transcript, too. A BadSignature
// error says what is wrong.
func Verify(path string, certificate []byte) (*Report, error) {
	text, err := os.ReadFile(path) //nolint:gosec // the path is the user's own
	if err != nil {
		return nil, err
	}
	if len(text) > MaxTranscript {
		return nil, fault.New(fault.LimitExceeded, "the transcript is longer than %d bytes", MaxTranscript)
	}
	root, err := readCertificate(certificate)
	if err != nil {
		return nil, fmt.Errorf("reading the root's certificate: %w", err)
	}
	events, last, err := parseTranscript(text)
	if err != nil {
		return nil, err
	}
	if len(events) == 0 || events[len(events)-1].Event != eventSigned {
		return nil, fault.New(fault.BadSignature, "the transcript is not signed: the ceremony is not over, or its end was cut off")
	}
	if err := checkSignature(&events[len(events)-1], text[:last], root); err != nil {
		return nil, err
	}
	if err := checkSigner(events, root); err != nil {
		return nil, err
	}
	r := reportOf(events)
	r.SHA256, r.Root, r.RootSHA256 = hexDigest(text), root.Subject.String(), hexDigest(root.Raw)
	return r, r.compare(filepath.Dir(path))
}

// readCertificate reads one certificate, PEM or DER.
func readCertificate(data []byte) (*x509.Certificate, error) {
	if block, _ := pem.Decode(data); block != nil {
		data = block.Bytes
	}
	return x509.ParseCertificate(data)
}

// checkSignature checks the signer's certificate and the signature.
func checkSignature(e *Event, lines []byte, root *x509.Certificate) error {
	signer, err := readCertificate([]byte(e.Certificate))
	if err != nil {
		return fault.New(fault.BadSignature, "the signature has no certificate of its signer")
	}
	if err := cert.CheckFrom(signer, root); err != nil {
		return fault.New(fault.BadSignature, "the signer is not certified by %s", root.Subject)
	}
	pub, ok := signer.PublicKey.(ed25519.PublicKey)
	switch {
	case !ok || signer.IsCA || !slices.ContainsFunc(signer.UnknownExtKeyUsage, documentSigning().Equal):
		return fault.New(fault.BadSignature, "the signer's certificate is not one for transcripts")
	case !ed25519.Verify(pub, lines, e.Signature):
		return fault.New(fault.BadSignature, "the signature is wrong: the transcript was changed")
	case e.Time.Before(signer.NotBefore) || e.Time.After(signer.NotAfter):
		return fault.New(fault.BadSignature, "the transcript was signed outside the time of its signer's certificate")
	}
	return nil
}

// checkSigner checks that the transcript's own story fits its signature: the
// key that signed is the data directory's, and the root is the one it names.
func checkSigner(events []Event, root *x509.Certificate) error {
	end := &events[len(events)-1]
	signer, err := readCertificate([]byte(end.Certificate))
	if err != nil {
		return err
	}
	digest := hexDigest(signer.RawSubjectPublicKeyInfo)
	opened := func(e Event) bool { return e.Event == eventDone && e.Step == 1 && e.fact(factAuditKey) == digest }
	if !slices.ContainsFunc(events, opened) {
		return fault.New(fault.BadSignature, "the key that signed is not that of the data directory which the transcript is about")
	}
	lock := events[max(0, len(events)-2)]
	if lock.Event != eventLock || lock.fact(factSigner) != hexDigest(signer.Raw) || lock.fact(factCertificate) != hexDigest(root.Raw) {
		return fault.New(fault.BadSignature, "the transcript ends without the lock, or names another root or signer")
	}
	return nil
}

// reportOf gathers what a transcript says.
func reportOf(events []Event) *Report {
	begin, lock := &events[0], &events[len(events)-2]
	r := &Report{
		Ceremony: begin.fact(factCeremony), Purpose: begin.fact("purpose"), Rehearsal: begin.fact(factRehearsal) != "",
		Operator: begin.fact(factOperator), Tool: begin.fact("tool"), ScriptSHA256: begin.fact(factScript),
		Began: begin.Time, Ended: events[len(events)-1].Time, Facts: lock.Facts,
	}
	for i := range events {
		e := &events[i]
		switch e.Event {
		case eventWitness:
			r.Witnesses = append(r.Witnesses, e.fact(factName))
		case eventResume:
			r.Interrupted++
		case eventDone:
			r.Steps++
			r.Files = append(r.Files, e.Files...)
		}
	}
	return r
}

// compare compares the outputs that lie beside the transcript.
func (r *Report) compare(dir string) error {
	for _, f := range r.Files {
		if f.Role != roleOutput {
			continue
		}
		have, err := digestFile(filepath.Join(dir, filepath.Base(f.Name)))
		switch {
		case errors.Is(err, fs.ErrNotExist):
			r.Missing = append(r.Missing, f.Name)
		case err != nil:
			return err
		case have != f.SHA256:
			return fault.New(fault.BadSignature, "the file %s beside the transcript is not the one that the ceremony made", f.Name)
		default:
			r.Checked = append(r.Checked, f.Name)
		}
	}
	return nil
}
