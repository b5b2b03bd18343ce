package config

// Issuers is how those are reached whose tokens prove who web identities are.
type Issuers struct {
	// PlainLoopback lets issuers on this machine be asked without TLS. Default:
	// false; a development server has true.
	PlainLoopback bool `yaml:"plain_loopback"`
}
