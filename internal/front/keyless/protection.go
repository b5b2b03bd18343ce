package keyless

import "crypto/tls"

// Protection returns how a key server's connections are protected: TLS 1.3, and
// for clients that have nothing better 1.2 with ephemeral keys and AES-GCM (RFC
// 9325 section 4.2). Clients are asked for a certificate, about which nothing is
// said yet.
func Protection(current func() *tls.Certificate) *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12, ClientAuth: tls.RequestClientCert,
		CipherSuites: []uint16{
			tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
			tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
		},
		GetCertificate:              func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return current(), nil },
		DynamicRecordSizingDisabled: true, // answers go out together
	}
}
