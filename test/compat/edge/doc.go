// Package edge has TLS clients of several makers come in through holdfast edge,
// whose private keys are on the key servers of two Holdfasts; looks for those
// keys in the edge's memory and on its disk; and takes the key servers away.
package edge
