package native

import "time"

// PutClientCertificateRequest lets certificates of TLS clients prove a user:
// the one with a hash, or those that an authority issued with a subject or name.
type PutClientCertificateRequest struct {
	// SHA256 is of the certificate in DER, in hex.
	SHA256 string `json:"sha256,omitempty"`
	// Authority is the issuer's id or name.
	Authority string `json:"authority,omitempty"`
	// Subject is the whole subject, such as "CN=web-1,O=Example" (RFC 2253).
	Subject string `json:"subject,omitempty"`
	// Name is an alternative name: a DNS name, an address, a URI or an e-mail address.
	Name string `json:"name,omitempty"`
}

// ClientCertificate says which certificates of TLS clients prove a user.
type ClientCertificate struct {
	ID     string `json:"id"`
	User   string `json:"user"`
	SHA256 string `json:"sha256,omitempty"`
	// Authority is the issuer's id.
	Authority string    `json:"authority,omitempty"`
	Subject   string    `json:"subject,omitempty"`
	Name      string    `json:"name,omitempty"`
	CreatedAt time.Time `json:"created_at"`
}

// ClientCertificateList is a user's client certificates.
type ClientCertificateList struct {
	Certificates []ClientCertificate `json:"certificates"`
}
