// Package document reads and writes certificate profiles as people write them
// and as they are stored: YAML or JSON, of version 1, strict. Nothing in a
// document is executed or filled in: "${…}" and "{{…}}" are text.
// docs/certificates.md describes each member.
//
// Start with Parse and Format. The package is internal; what version 1 of the
// documents means stays as it is within v1.
package document

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/profile"
)

// Version is the version of the documents.
const Version = 1

// MaxSize is the longest document in bytes.
const MaxSize = 64 << 10

// unfit returns the error for a document that is no profile.
func unfit(format string, args ...any) error {
	return fault.New(fault.InvalidArgument, format, args...)
}

// document is the whole.
type document struct {
	Version                  int                `yaml:"version"`
	Name                     string             `yaml:"name"`
	Description              string             `yaml:"description,omitempty"`
	Authority                *authorityDocument `yaml:"authority,omitempty"`
	KeyUsage                 []string           `yaml:"key_usage,omitempty,flow"`
	RSAKeyUsage              []string           `yaml:"rsa_key_usage,omitempty,flow"`
	ECKeyUsage               []string           `yaml:"ec_key_usage,omitempty,flow"`
	ExtendedKeyUsage         []string           `yaml:"extended_key_usage,omitempty,flow"`
	ExtendedKeyUsageCritical bool               `yaml:"extended_key_usage_critical,omitempty"`
	BasicConstraintsCritical *bool              `yaml:"basic_constraints_critical,omitempty"`
	From                     *[]string          `yaml:"from,omitempty,flow"`
	Subject                  subjectDocument    `yaml:"subject,omitempty"`
	Names                    namesDocument      `yaml:"names,omitempty"`
	Keys                     *keysDocument      `yaml:"keys,omitempty"`
	Validity                 validityDocument   `yaml:"validity"`
	Exportable               bool               `yaml:"exportable,omitempty"`
	Renewal                  *renewalDocument   `yaml:"renewal,omitempty"`
	Policies                 []policyDocument   `yaml:"policies,omitempty"`
	NameConstraints          *constraintsDoc    `yaml:"name_constraints,omitempty"`
	Extensions               []extensionDoc     `yaml:"extensions,omitempty"`
	Passthrough              []string           `yaml:"passthrough,omitempty,flow"`
	CSRExtras                string             `yaml:"csr_extras,omitempty"`
	Rules                    []ruleDocument     `yaml:"rules,omitempty"`
	Callers                  []string           `yaml:"callers,omitempty"`
}

type authorityDocument struct {
	PathLength string `yaml:"path_length"` // a number, or "none" for no limit
	SelfSigned bool   `yaml:"self_signed,omitempty"`
}

type subjectDocument struct {
	Attributes     *map[string]attributeDocument `yaml:"attributes,omitempty"`
	Others         bool                          `yaml:"others,omitempty"`
	Repeated       bool                          `yaml:"repeated,omitempty"`
	FreeCommonName bool                          `yaml:"free_common_name,omitempty"`
}

type attributeDocument struct {
	Required bool     `yaml:"required,omitempty"`
	Fixed    string   `yaml:"fixed,omitempty"`
	Default  string   `yaml:"default,omitempty"`
	Values   []string `yaml:"values,omitempty,flow"`
	Pattern  string   `yaml:"pattern,omitempty"`
}

type namesDocument struct {
	Required     bool            `yaml:"required,omitempty"`
	Maximum      int             `yaml:"maximum,omitempty"`
	DNS          *dnsDocument    `yaml:"dns,omitempty"`
	IP           *ipDocument     `yaml:"ip,omitempty"`
	URI          *uriDocument    `yaml:"uri,omitempty"`
	Email        *domainDocument `yaml:"email,omitempty"`
	UPN          *domainDocument `yaml:"upn,omitempty"`
	Other        *otherDocument  `yaml:"other,omitempty"`
	Directory    *struct{}       `yaml:"directory,omitempty"`
	RegisteredID *struct{}       `yaml:"registered_id,omitempty"`
}

type dnsDocument struct {
	Domains    []string `yaml:"domains,omitempty,flow"`
	Subdomains bool     `yaml:"subdomains,omitempty"`
	Patterns   []string `yaml:"patterns,omitempty,flow"`
	Wildcards  bool     `yaml:"wildcards,omitempty"`
}

type ipDocument struct {
	Networks []string `yaml:"networks,omitempty,flow"`
}

type uriDocument struct {
	Schemes      []string `yaml:"schemes,omitempty,flow"`
	Patterns     []string `yaml:"patterns,omitempty,flow"`
	SPIFFE       bool     `yaml:"spiffe,omitempty"`
	TrustDomains []string `yaml:"trust_domains,omitempty,flow"`
}

type domainDocument struct {
	Domains    []string `yaml:"domains,omitempty,flow"`
	Subdomains bool     `yaml:"subdomains,omitempty"`
}

type otherDocument struct {
	Types []string `yaml:"types,omitempty,flow"`
}

type keysDocument struct {
	RSA   *rsaDocument `yaml:"rsa,omitempty"`
	Types []string     `yaml:"types,omitempty,flow"`
}

type rsaDocument struct {
	Minimum int `yaml:"minimum"`
	Maximum int `yaml:"maximum"`
}

type validityDocument struct {
	Default  string  `yaml:"default,omitempty"`
	Maximum  string  `yaml:"maximum,omitempty"` // or "none"
	Fixed    string  `yaml:"fixed,omitempty"`   // in the place of both
	Backdate *string `yaml:"backdate,omitempty"`
	AskStart bool    `yaml:"ask_start,omitempty"`
	Cut      bool    `yaml:"cut,omitempty"`
}

type policyDocument struct {
	OID    string   `yaml:"oid"`
	CPS    []string `yaml:"cps,omitempty,flow"`
	Notice string   `yaml:"notice,omitempty"`
}

type constraintsDoc struct {
	Critical  *bool       `yaml:"critical,omitempty"` // true when it is absent
	Permitted subtreesDoc `yaml:"permitted,omitempty"`
	Excluded  subtreesDoc `yaml:"excluded,omitempty"`
}

type subtreesDoc struct {
	DNS       []string            `yaml:"dns,omitempty,flow"`
	IP        []string            `yaml:"ip,omitempty,flow"`
	Email     []string            `yaml:"email,omitempty,flow"`
	URI       []string            `yaml:"uri,omitempty,flow"`
	Directory []map[string]string `yaml:"directory,omitempty"`
}

type extensionDoc struct {
	OID      string `yaml:"oid"`
	Critical bool   `yaml:"critical,omitempty"`
	Hex      string `yaml:"hex,omitempty"`
	Base64   string `yaml:"base64,omitempty"`
	UTF8     string `yaml:"utf8,omitempty"` // a UTF8String with this text
}

type ruleDocument struct {
	Expression string `yaml:"expression"`
	Message    string `yaml:"message,omitempty"`
}

// Parse reads a document and returns the profile, compiled. What is wrong
// with it is InvalidArgument; an unknown member is named with its line.
func Parse(text []byte) (*profile.Profile, error) {
	if len(text) > MaxSize {
		return nil, unfit("a profile's document has at most %d bytes", MaxSize)
	}
	if trimmed := bytes.TrimLeft(text, " \t\r\n"); len(trimmed) > 0 && trimmed[0] == '{' {
		// JSON is YAML but for tabs between its parts; within its texts it has none.
		text = bytes.ReplaceAll(text, []byte{'\t'}, []byte{' '})
	}
	if err := checkNodes(text); err != nil {
		return nil, err
	}
	var d document
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	decoder.KnownFields(true)
	if err := decoder.Decode(&d); err != nil {
		return nil, unfit("the profile's document cannot be read: %s", yamlText(err))
	}
	if d.Version != Version {
		return nil, unfit("the profile's document is of version %d; this program knows version %d", d.Version, Version)
	}
	p, err := d.profile()
	if err != nil {
		return nil, err
	}
	return p.Compile()
}

// checkNodes refuses what a document has no need of and what makes it mean
// other things to other readers: several documents, aliases, merges and tags.
func checkNodes(text []byte) error {
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	var root, more yaml.Node
	if err := decoder.Decode(&root); err != nil {
		if errors.Is(err, io.EOF) {
			return unfit("the profile's document is empty")
		}
		return unfit("the profile's document cannot be read: %s", yamlText(err))
	}
	if err := decoder.Decode(&more); !errors.Is(err, io.EOF) {
		return unfit("a profile's document is one document")
	}
	return checkNode(&root)
}

func checkNode(n *yaml.Node) error {
	if n.Kind == yaml.AliasNode || n.Anchor != "" || n.Tag == "!!merge" || n.Style&yaml.TaggedStyle != 0 {
		return unfit("line %d: a profile's document has no anchors, aliases, merges and tags", n.Line)
	}
	for _, child := range n.Content {
		if err := checkNode(child); err != nil {
			return err
		}
	}
	return nil
}

// yamlText puts the decoder's errors into the words of documents.
func yamlText(err error) string {
	text := strings.TrimPrefix(err.Error(), "yaml: ")
	if e, ok := errors.AsType[*yaml.TypeError](err); ok {
		text = strings.Join(e.Errors, "; ")
	}
	words := strings.Fields(text)
	for i := range words {
		// "field x not found in type document.document", "cannot unmarshal !!seq
		// into document.document": the type is of no interest.
		if i >= 2 && strings.Contains(words[i], "document.") {
			if words[i] = ""; words[i-1] == "type" {
				words[i-2] = ""
			}
			words[i-1] = ""
		}
	}
	return strings.Join(strings.Fields(strings.Join(words, " ")), " ")
}

// Format writes the profile as a document. What Parse makes of it is the same
// profile.
func Format(p *profile.Profile) ([]byte, error) {
	d, err := documentOf(p)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	encoder := yaml.NewEncoder(&b)
	encoder.SetIndent(2)
	if err := encoder.Encode(d); err != nil {
		return nil, fmt.Errorf("writing the document of profile %s: %w", p.Name, err)
	}
	if err := encoder.Close(); err != nil {
		return nil, fmt.Errorf("writing the document of profile %s: %w", p.Name, err)
	}
	return b.Bytes(), nil
}
