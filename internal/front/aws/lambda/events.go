package lambda

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"strings"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/front/aws"
	"github.com/holdfast-kms/holdfast/internal/function"
	"github.com/holdfast-kms/holdfast/internal/key"
	wire "github.com/holdfast-kms/holdfast/internal/wire/aws"
)

// event is the payload of an invocation: JSON, or nothing.
type event struct{ payload []byte }

// issueEvent is what the function issue-certificate is given.
type issueEvent struct {
	CommonName string   `json:"common_name"`
	Names      []string `json:"san"`
	Days       int      `json:"validity_days"`
	Authority  string   `json:"ca_arn"`
}

// Issue implements function.Event.
func (e *event) Issue() (*function.IssueRequest, error) {
	var in issueEvent
	if err := e.decode(&in); err != nil {
		return nil, err
	}
	if in.CommonName == "" {
		return nil, missing("common_name")
	}
	if in.Authority == "" {
		return nil, missing("ca_arn")
	}
	r, ok := wire.ParseResource(in.Authority)
	if !ok || r.Kind != key.KindAuthority {
		return nil, fault.New(fault.InvalidArgument, "the event's ca_arn %q is not the ARN of a certificate authority", in.Authority)
	}
	return &function.IssueRequest{CommonName: in.CommonName, Names: in.Names, Days: in.Days, Authority: r.ID}, nil
}

// signEvent is what the function sign-ca-certificate is given.
type signEvent struct {
	CSR string `json:"csr"`
	Key string `json:"kms_key_id"`
}

// Sign implements function.Event.
func (e *event) Sign() (*function.SignRequest, error) {
	var in signEvent
	if err := e.decode(&in); err != nil {
		return nil, err
	}
	if in.Key == "" {
		return nil, missing("kms_key_id")
	}
	ref, ok := aws.KeyRef(in.Key)
	if !ok {
		return nil, fault.New(fault.InvalidArgument, "the event's kms_key_id %q is not a KMS key or alias", in.Key)
	}
	csr, err := readCSR(in.CSR)
	return &function.SignRequest{CSR: csr, Key: ref}, err
}

func missing(member string) error {
	return fault.New(fault.InvalidArgument, "the event has no %q", member)
}

// decode reads the payload. Members that the function does not have are
// refused by name.
func (e *event) decode(v any) error {
	if len(bytes.TrimSpace(e.payload)) == 0 {
		return nil
	}
	d := json.NewDecoder(bytes.NewReader(e.payload))
	d.DisallowUnknownFields()
	err := d.Decode(v)
	if err == nil {
		if _, end := d.Token(); !errors.Is(end, io.EOF) {
			return fault.New(fault.InvalidArgument, "the event is followed by something")
		}
		return nil
	}
	if name, ok := strings.CutPrefix(err.Error(), "json: unknown field "); ok {
		return fault.New(fault.InvalidArgument, "the event's member %s is not known to this function", name)
	}
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return fault.New(fault.InvalidArgument, "the event's member %q is a JSON %s, which it must not be", wrong.Field, wrong.Value)
	}
	return fault.New(fault.InvalidArgument, "the event is not a JSON object")
}

// readCSR reads a certificate request: in PEM, or PEM or DER in base64. The
// name of a file, which a payload on a command line easily has, is told apart.
func readCSR(text string) ([]byte, error) {
	if text == "" {
		return nil, missing("csr")
	}
	if der, ok := fromPEM([]byte(text)); ok {
		return der, nil
	}
	if raw, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(text), "")); err == nil {
		if der, ok := fromPEM(raw); ok {
			return der, nil
		}
		const sequence = 0x30 // DER's tag of what a request is
		if len(raw) > 0 && raw[0] == sequence {
			return raw, nil
		}
	}
	if isFileName(text) {
		return nil, fault.Because(fault.InvalidArgument, fault.MalformedCSR,
			"the event's csr is %q, the name of a file, and a function sees no files of its caller: send what is in it, in PEM or "+
				"base64 (jq -n --rawfile csr %s '{csr: $csr, kms_key_id: \"alias/…\"}' prints such a payload)", text, text)
	}
	return nil, fault.Because(fault.InvalidArgument, fault.MalformedCSR, "the event's csr is no certificate request in PEM or base64")
}

func fromPEM(text []byte) ([]byte, bool) {
	block, _ := pem.Decode(text)
	if block == nil || block.Type != "CERTIFICATE REQUEST" && block.Type != "NEW CERTIFICATE REQUEST" {
		return nil, false
	}
	return block.Bytes, true
}

// isFileName reports whether a text looks like the name of a file.
func isFileName(text string) bool {
	const maxPath = 256
	return len(text) <= maxPath && strings.Contains(text, ".") && !strings.ContainsAny(text, "\n\r\t\"\\$`{}'")
}
