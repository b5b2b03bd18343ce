package config

import "net/netip"

// Egress is where the server may send what it sends to addresses that others
// chose: webhooks and the endpoints of subscriptions.
type Egress struct {
	// Allow are networks, such as 10.0.0.0/8, that may be reached beside the
	// public internet. Default: none: no private, link-local or loopback address.
	Allow []netip.Prefix `yaml:"allow"`
	// CACertificate is a PEM file with whom receivers' certificates may be from.
	// Default: the system's.
	CACertificate string `yaml:"ca_certificate"`
}

func (e *Egress) validate(refuse func(name, format string, args ...any)) {
	for _, p := range e.Allow {
		if !p.IsValid() {
			refuse("egress.allow", "a network is empty")
		}
	}
	absolute("egress.ca_certificate", e.CACertificate, refuse)
}
