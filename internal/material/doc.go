// Package material is what keys are made of: where it comes from, in which
// engine it is, and how it ends. It asks engines and knows nothing of who may
// have what done, which package kms decides.
//
// Start with Engines. supply.go makes the material of a version, whichever way
// it comes; arrival.go is about material that its owner sends, and imported.go
// about which version of a key such material belongs to. place.go and mirror.go
// are about services that keep a state of each key themselves.
package material
