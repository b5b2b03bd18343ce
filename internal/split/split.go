// Package split shares a secret among people: any k of n shares give a key,
// fewer tell nothing about it. The seal keeps the root key so, and recovery
// packages their content.
//
// The secret is a random scalar of the group ristretto255 (RFC 9496), shared
// by a polynomial (Shamir), and never leaves the package: what it is for is the
// key that HKDF derives from it. The polynomial's commitments (Feldman) are
// kept in the open, in a Set: with them each share is judged by itself, so that
// a wrong one is told at once and not only by the wrong key that it would give.
//
// Start with New; text.go is how people hold a share. The formats of Set and
// of a share's text carry versions and stay readable.
package split

import (
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/cloudflare/circl/group"
	"github.com/cloudflare/circl/secretsharing"

	"github.com/holdfast-kms/holdfast/internal/fault"
)

// Bounds of a set. One share that is enough by itself is no sharing.
const (
	MinThreshold = 2
	MaxShares    = 32
)

// KeySize is the length of the key that shares give, in bytes.
const KeySize = 32

const (
	setVersion = 1
	setIDSize  = 4
	ownerSize  = 4  // of a share's mark of its owner
	valueSize  = 32 // of a scalar of ristretto255, little-endian
	elemSize   = 32
)

// Set is what is known in the open of shares that were made together. It tells
// nothing about the secret, and is a JSON object.
type Set struct {
	V int `json:"v"`
	// ID is random, 8 hexadecimal digits: it tells shares of an older set.
	ID string `json:"id"`
	// Threshold of the Shares give the key.
	Threshold int `json:"threshold"`
	Shares    int `json:"shares"`
	// Commitments are the generator's multiples by the polynomial's
	// coefficients, as many as Threshold, each in 32 bytes (RFC 9496 section
	// 4.3.2).
	Commitments [][]byte `json:"commitments"`
}

// Share is one part of a secret. It redacts itself: Text reveals it.
type Share struct {
	owner  [ownerSize]byte
	set    [setIDSize]byte
	number uint8
	value  []byte
}

// New makes a secret, shares of which any threshold give the key that is
// returned as well, and the set by which they are judged. The owner is whom
// they are for: an installation's or a package's id, to be given again.
func New(owner string, threshold, shares int) (*Set, []Share, []byte, error) {
	if threshold < MinThreshold || threshold > shares || shares > MaxShares {
		return nil, nil, nil, fault.New(fault.InvalidArgument,
			"%d of %d shares cannot be made: there are at most %d, and at least %d and at most all of them are needed",
			threshold, shares, MaxShares, MinThreshold)
	}
	g := group.Ristretto255
	secret := g.RandomNonZeroScalar(rand.Reader)
	defer secret.SetUint64(0)
	sharing := secretsharing.New(rand.Reader, uint(threshold-1), secret)
	set := &Set{V: setVersion, Threshold: threshold, Shares: shares}
	id := make([]byte, setIDSize)
	_, _ = rand.Read(id) // never fails (crypto/rand.Read)
	set.ID = hex.EncodeToString(id)
	for _, c := range sharing.CommitSecret() {
		encoded, err := c.MarshalBinaryCompress()
		if err != nil {
			return nil, nil, nil, fmt.Errorf("encoding a commitment: %w", err)
		}
		set.Commitments = append(set.Commitments, encoded)
	}
	var list []Share
	for n, s := range sharing.Share(uint(shares)) {
		value, err := s.Value.MarshalBinary()
		s.Value.SetUint64(0)
		if err != nil {
			return nil, nil, nil, fmt.Errorf("encoding a share: %w", err)
		}
		list = append(list, Share{owner: mark(owner), set: [setIDSize]byte(id), number: uint8(n + 1), value: value})
	}
	key, err := derive(owner, set.ID, secret)
	return set, list, key, err
}

// mark returns what a share carries of its owner's id: enough to tell the
// shares of several installations apart.
func mark(owner string) [ownerSize]byte {
	sum := sha256.Sum256([]byte("holdfast share of " + owner))
	return [ownerSize]byte(sum[:])
}

// derive returns the key of a secret (RFC 5869): HKDF-SHA-256, salted with
// whose it is.
func derive(owner, set string, secret group.Scalar) ([]byte, error) {
	encoded, err := secret.MarshalBinary()
	if err != nil {
		return nil, fmt.Errorf("encoding the secret: %w", err)
	}
	defer clear(encoded)
	return hkdf.Key(sha256.New, encoded, []byte(owner+"\x00"+set), "holdfast split 1", KeySize)
}

// Number returns the share's number, from 1.
func (s *Share) Number() int { return int(s.number) }

// Set returns the id of the set that the share belongs to.
func (s *Share) Set() string { return hex.EncodeToString(s.set[:]) }

// Clear forgets the share's value.
func (s *Share) Clear() { clear(s.value) }

// String keeps the share out of every log.
func (s Share) String() string { return fmt.Sprintf("[share %d of set %x]", s.number, s.set) }

// GoString keeps the share out of %#v.
func (s Share) GoString() string { return s.String() }

// MarshalText keeps the share out of JSON and structured logs.
func (s Share) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Validate returns an error for a set that New cannot have made.
func (s *Set) Validate() error {
	if s.V != setVersion {
		return fault.New(fault.Unsupported, "the set of shares has version %d, which this program does not know", s.V)
	}
	id, err := hex.DecodeString(s.ID)
	if err != nil || len(id) != setIDSize || s.Threshold < MinThreshold || s.Threshold > s.Shares || s.Shares > MaxShares ||
		len(s.Commitments) != s.Threshold {
		return fault.New(fault.InvalidArgument, "the set of shares contradicts itself")
	}
	_, err = s.commitments()
	return err
}

func (s *Set) commitments() (secretsharing.SecretCommitment, error) {
	list := make(secretsharing.SecretCommitment, len(s.Commitments))
	for i, encoded := range s.Commitments {
		list[i] = group.Ristretto255.NewElement()
		if len(encoded) != elemSize || list[i].UnmarshalBinary(encoded) != nil {
			return nil, fault.New(fault.InvalidArgument, "a commitment of the set of shares is not a point")
		}
	}
	return list, nil
}

// Check returns an error that says what is wrong with a share of the owner:
// one of somebody else's, of another set, or one that was made up. Shares of
// another set carry the kind WrongState, all others Unauthenticated.
func (s *Set) Check(owner string, share *Share) error {
	switch {
	case share.owner != mark(owner):
		return fault.New(fault.Unauthenticated, "the share belongs to another installation")
	case share.Set() != s.ID:
		return fault.New(fault.WrongState, "the share is of the set %s, which was replaced: now the set %s is in force", share.Set(), s.ID)
	case share.number == 0 || share.Number() > s.Shares:
		return errNotOfSet(share)
	}
	commitments, err := s.commitments()
	if err != nil {
		return err
	}
	point, err := share.point()
	if err != nil {
		return errNotOfSet(share)
	}
	defer point.Value.SetUint64(0)
	if !secretsharing.Verify(uint(s.Threshold-1), point, commitments) {
		return errNotOfSet(share)
	}
	return nil
}

func errNotOfSet(share *Share) error {
	return fault.New(fault.Unauthenticated, "the share says that it is number %d of the set %s, but was not made with it", share.number, share.Set())
}

// point returns the share as a point of the polynomial.
func (s *Share) point() (secretsharing.Share, error) {
	g := group.Ristretto255
	p := secretsharing.Share{ID: g.NewScalar().SetUint64(uint64(s.number)), Value: g.NewScalar()}
	if len(s.value) != valueSize {
		return p, errors.New("a share without a value")
	}
	return p, p.Value.UnmarshalBinary(s.value) // refuses what is not below the group's order
}

// Key returns the key that the owner's shares give. Each is checked; two of
// one number, or fewer than the threshold, are an InvalidArgument error.
func (s *Set) Key(owner string, shares []Share) ([]byte, error) {
	if len(shares) < s.Threshold {
		return nil, fault.New(fault.InvalidArgument, "%d shares are not enough: %d are needed", len(shares), s.Threshold)
	}
	seen := map[uint8]bool{}
	var points []secretsharing.Share
	defer func() {
		for _, p := range points {
			p.Value.SetUint64(0)
		}
	}()
	for i := range shares {
		if err := s.Check(owner, &shares[i]); err != nil {
			return nil, err
		}
		if seen[shares[i].number] {
			return nil, fault.New(fault.InvalidArgument, "share %d is given twice", shares[i].number)
		}
		seen[shares[i].number] = true
		p, err := shares[i].point()
		if err != nil {
			return nil, err
		}
		points = append(points, p)
	}
	secret, err := secretsharing.Recover(uint(s.Threshold-1), points)
	if err != nil {
		return nil, fmt.Errorf("joining the shares: %w", err)
	}
	defer secret.SetUint64(0)
	return derive(owner, s.ID, secret)
}
