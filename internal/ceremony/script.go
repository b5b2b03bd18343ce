package ceremony

import (
	"bytes"
	"errors"
	"io"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/holdfast-kms/holdfast/internal/fault"
)

// ScriptVersion is the version of the script's format that this release
// writes about and reads.
const ScriptVersion = 1

// MaxScript is the longest script in bytes.
const MaxScript = 256 << 10

// Script is what a ceremony does, as it was agreed on. It is YAML; a key that
// is not known is refused with its line.
type Script struct {
	Version int `yaml:"version"`
	// Ceremony names it, and its folder: lower-case letters, digits and "-".
	Ceremony string `yaml:"ceremony"`
	// Purpose is a text for people.
	Purpose string `yaml:"purpose"`
	// Operator is who types; Witnesses, at least one, watch.
	Operator  string   `yaml:"operator"`
	Witnesses []string `yaml:"witnesses"`
	// PublicURL is where CRLs and issuers' certificates will be published: the
	// certificates that are signed name them under it. Empty leaves that out.
	PublicURL string `yaml:"public_url"`
	// SignedBy is the root under which the transcript is signed. It can be left
	// out where the script makes exactly one.
	SignedBy string `yaml:"signed_by"`
	Steps    []Step `yaml:"steps"`
}

// Step is one thing to do: exactly one of the fields.
type Step struct {
	Initialise *Initialise `yaml:"initialise"`
	Open       *Open       `yaml:"open"`
	Key        *Key        `yaml:"key"`
	Root       *Root       `yaml:"root"`
	Sign       *Sign       `yaml:"sign"`
	Revoke     *Revoke     `yaml:"revoke"`
	CRL        *CRL        `yaml:"crl"`

	action action
	line   int
}

// Initialise makes the data directory. It is the first step of the first
// ceremony.
type Initialise struct {
	// Seal is how the root key is kept: "passphrase" (the default), or "file",
	// which protects nothing beyond the medium itself.
	Seal string `yaml:"seal"`
}

// Open opens the data directory of an earlier ceremony. It is the first step
// of every later one.
type Open struct{}

// Key makes a key for an authority.
type Key struct {
	// Alias is its name here.
	Alias string `yaml:"alias"`
	// Spec is its type and size, such as ECC_NIST_P384, RSA_4096 or ML_DSA_87.
	Spec string `yaml:"spec"`
}

// Root makes a root: an authority whose certificate its own key signs.
type Root struct {
	Name string `yaml:"name"`
	// Key is the alias of a key of this ceremony.
	Key string `yaml:"key"`
	// Algorithm may be empty for the default of the key's spec.
	Algorithm string  `yaml:"algorithm"`
	Subject   Subject `yaml:"subject"`
	// Days is how long the certificate is valid.
	Days int `yaml:"days"`
	// PathLength is how many authorities may follow below; absent for no limit.
	PathLength  *int         `yaml:"path_length"`
	Constraints *Constraints `yaml:"name_constraints"`
	// Certificate is the file to write, PEM.
	Certificate string `yaml:"certificate"`
}

// Sign signs the request of a subordinate authority.
type Sign struct {
	// Authority is the issuer's name.
	Authority string `yaml:"authority"`
	// CSR is the file with the request, PEM or DER; SHA256, when it is given,
	// is what the file must have.
	CSR    string `yaml:"csr"`
	SHA256 string `yaml:"csr_sha256"`
	// Subject, when it is given, takes the place of the request's.
	Subject     Subject      `yaml:"subject"`
	Days        int          `yaml:"days"`
	PathLength  int          `yaml:"path_length"`
	Constraints *Constraints `yaml:"name_constraints"`
	// Certificate and Chain are files to write, PEM; the chain, which may be
	// left out, has the certificate and its issuers with the root.
	Certificate string `yaml:"certificate"`
	Chain       string `yaml:"chain"`
}

// Revoke revokes a certificate.
type Revoke struct {
	Authority string `yaml:"authority"`
	Serial    string `yaml:"serial"`
	Reason    string `yaml:"reason"`
}

// CRL makes an authority's certificate revocation list.
type CRL struct {
	Authority string `yaml:"authority"`
	// Days is how long the list is good for.
	Days int `yaml:"days"`
	// File is what to write: DER, or PEM where its name ends in ".pem".
	File string `yaml:"file"`
}

// Subject is a distinguished name.
type Subject struct {
	CommonName         string `yaml:"common_name"`
	Organization       string `yaml:"organization"`
	OrganizationalUnit string `yaml:"organizational_unit"`
	Country            string `yaml:"country"`
	Province           string `yaml:"province"`
	Locality           string `yaml:"locality"`
}

// Constraints limit the names of everything below a certificate (RFC 5280
// section 4.2.1.10). DNS, e-mail and URI entries are domains, IP ones are in
// CIDR form.
type Constraints struct {
	Permitted NameSet `yaml:"permitted"`
	Excluded  NameSet `yaml:"excluded"`
}

// NameSet has names of each kind.
type NameSet struct {
	DNS   []string `yaml:"dns"`
	IP    []string `yaml:"ip"`
	Email []string `yaml:"email"`
	URI   []string `yaml:"uri"`
}

// ParseScript reads a script and checks all that can be checked beforehand.
func ParseScript(text []byte) (*Script, error) {
	if len(text) > MaxScript {
		return nil, fault.New(fault.InvalidArgument, "the script is longer than %d bytes", MaxScript)
	}
	s := &Script{}
	d := yaml.NewDecoder(bytes.NewReader(text))
	d.KnownFields(true)
	if err := d.Decode(s); err != nil {
		return nil, malformed(err)
	}
	if err := d.Decode(new(any)); !errors.Is(err, io.EOF) {
		return nil, fault.New(fault.InvalidArgument, "the script has more than one document")
	}
	if err := s.locate(text); err != nil {
		return nil, err
	}
	if err := s.check(); err != nil {
		return nil, err
	}
	return s, nil
}

// malformed puts what the YAML library says into one line.
func malformed(err error) error {
	if errors.Is(err, io.EOF) {
		return fault.New(fault.InvalidArgument, "the script is empty")
	}
	text := strings.TrimPrefix(err.Error(), "yaml: ")
	text = strings.TrimPrefix(text, "unmarshal errors:\n")
	text = regexp.MustCompile(`field (\S+) not found in type \S+`).ReplaceAllString(text, `the key "$1" is not known`)
	return fault.New(fault.InvalidArgument, "%s", strings.Join(strings.Fields(text), " "))
}

// locate finds the line and the action of each step.
func (s *Script) locate(text []byte) error {
	var root yaml.Node
	if err := yaml.Unmarshal(text, &root); err != nil {
		return malformed(err)
	}
	lines := stepLines(&root)
	for i := range s.Steps {
		step := &s.Steps[i]
		if i < len(lines) {
			step.line = lines[i]
		}
		given := step.given()
		if len(given) != 1 {
			return fault.New(fault.InvalidArgument, "line %d: a step is one of initialise, open, key, root, sign, revoke and crl, with its settings in braces or below it", step.line)
		}
		step.action = given[0]
	}
	return nil
}

// stepLines returns the lines at which the steps begin.
func stepLines(root *yaml.Node) []int {
	var lines []int
	if root.Kind != yaml.DocumentNode || len(root.Content) == 0 {
		return nil
	}
	mapping := root.Content[0].Content
	for i := 0; i+1 < len(mapping); i += 2 {
		if mapping[i].Value != "steps" {
			continue
		}
		for _, item := range mapping[i+1].Content {
			lines = append(lines, item.Line)
		}
	}
	return lines
}

// given returns the actions of a step: one, if it is in order.
func (s *Step) given() []action {
	var all []action
	add := func(present bool, a action) {
		if present {
			all = append(all, a)
		}
	}
	add(s.Initialise != nil, s.Initialise)
	add(s.Open != nil, s.Open)
	add(s.Key != nil, s.Key)
	add(s.Root != nil, s.Root)
	add(s.Sign != nil, s.Sign)
	add(s.Revoke != nil, s.Revoke)
	add(s.CRL != nil, s.CRL)
	return all
}
