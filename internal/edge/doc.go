// Package edge is a reverse proxy that ends TLS with private keys that it does
// not have: they are on key servers, which sign what a handshake needs.
//
// Start with Run. Package setting is the configuration, package certificate keeps
// what is presented, and site.go finds whose; front.go
// accepts connections and does the handshakes, tickets.go has the keys of
// sessions; proxy.go, forwarded.go and upstream.go are what follows, journal.go
// and metrics.go what is told of it, reload.go what changes while it runs.
//
// The package is internal and may change with any release.
package edge
