// Package operation is what keys do: encrypt, sign, verify, authenticate, agree.
// Each operation finds its key, asks the guard, checks the key's state, has the
// engine act, and is on record before its result leaves.
//
// Start with Operator; Admission is the part of it that other operations on keys
// need, too.
package operation
