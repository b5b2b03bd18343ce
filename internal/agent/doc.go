// Package agent keeps the certificates of one host: it fetches managed
// certificates from a Holdfast server, or has certificates issued for keys
// that it makes itself, writes them where programs read them, has those
// programs load them, and looks whether they really present them. What does
// not work out is taken back.
//
// Start with Config and Agent. source.go is where certificates come from,
// render.go how they are written, install.go how a set of files changes as one
// and comes back (journal.go how far that came), reload.go and check.go what
// follows, report.go what the server is told, state.go what outlives
// the process.
//
// The package is internal and may change with any release; what a release of
// v1 wrote to its state directory stays readable.
package agent
