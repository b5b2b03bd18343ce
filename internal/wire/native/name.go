package native

// Subject is a distinguished name (RFC 5280 section 4.1.2.4).
type Subject struct {
	CommonName                 string `json:"common_name,omitempty"`
	Organization               string `json:"organization,omitempty"`
	OrganizationalUnit         string `json:"organizational_unit,omitempty"`
	Country                    string `json:"country,omitempty"`
	Province                   string `json:"province,omitempty"`
	Locality                   string `json:"locality,omitempty"`
	SerialNumber               string `json:"serial_number,omitempty"`
	Title                      string `json:"title,omitempty"`
	Surname                    string `json:"surname,omitempty"`
	GivenName                  string `json:"given_name,omitempty"`
	Initials                   string `json:"initials,omitempty"`
	Pseudonym                  string `json:"pseudonym,omitempty"`
	GenerationQualifier        string `json:"generation_qualifier,omitempty"`
	DistinguishedNameQualifier string `json:"distinguished_name_qualifier,omitempty"`
	// Custom are other attributes, and further values of the ones above.
	Custom []Attribute `json:"custom,omitempty"`
}

// Attribute is an attribute of a distinguished name.
type Attribute struct {
	// OID is its kind, such as "0.9.2342.19200300.100.1.25".
	OID   string `json:"oid"`
	Value string `json:"value"`
}

// Names are a certificate's subject alternative names (RFC 5280 section 4.2.1.6).
type Names struct {
	DNS    []string `json:"dns,omitempty"`
	IPs    []string `json:"ips,omitempty"`
	URIs   []string `json:"uris,omitempty"`
	Emails []string `json:"emails,omitempty"`
	// UPNs are user principal names such as "alice@example.com", for smart cards.
	UPNs []string `json:"upns,omitempty"`
	// Others are other names of further kinds, as UTF8String.
	Others []Attribute `json:"others,omitempty"`
	// Directory are distinguished names.
	Directory []Subject `json:"directory,omitempty"`
	// RegisteredIDs are object identifiers.
	RegisteredIDs []string `json:"registered_ids,omitempty"`
}

// IsZero reports whether there is no name at all (encoding/json asks for
// omitzero): an empty list is none.
func (n Names) IsZero() bool {
	return len(n.DNS) == 0 && len(n.IPs) == 0 && len(n.URIs) == 0 && len(n.Emails) == 0 &&
		len(n.UPNs) == 0 && len(n.Others) == 0 && len(n.Directory) == 0 && len(n.RegisteredIDs) == 0
}
