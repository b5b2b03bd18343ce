// Package keyless is the Keyless SSL key server (docs/keyless.md): TLS servers
// elsewhere ask it for the one operation of a handshake that needs the private
// key, which stays here.
//
// Server is the engine: connections, packets, lanes, answers. It knows no keys;
// those are behind Keys. Store are the keys of a Holdfast server, through the
// door and under its policies; package keyserver has keys of its own.
//
// What it does not serve: opcode 0x23, which is Go's net/rpc, and custom
// functions but "holdfast.authenticate". Start with Server; conn.go follows a
// connection, lane.go the requests that wait.
package keyless
