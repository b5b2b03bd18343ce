package secret

import (
	"context"
	"strings"
	"unicode/utf8"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/guard"
	"github.com/holdfast-kms/holdfast/internal/key"
)

// Lengths of a password.
const (
	MaxPassword     = 4096 // characters
	DefaultPassword = 32
	maxExcluded     = 4096
)

// punctuation is all of ASCII's.
const punctuation = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"

// Class is a kind of characters, of which a set is a sum.
type Class uint8

// The classes.
const (
	Lower Class = 1 << iota
	Upper
	Digits
	Punctuation
	Space
)

var classes = map[Class]string{Lower: lower, Upper: upper, Digits: digits, Punctuation: punctuation, Space: " "}

// PasswordRequest asks for a random password.
type PasswordRequest struct {
	Length  int // DefaultPassword when 0
	Classes Class
	Without string // characters that are not to be in it
	// Each asks for one character of each class at least.
	Each bool
}

// Password returns a random password. The caller needs GetRandomPassword.
func (s *Service) Password(ctx context.Context, call *key.Call, req *PasswordRequest) (key.Secret, error) {
	return guard.Do(ctx, s.Guard, call, key.GetRandomPassword, func(v *guard.Visit) (key.Secret, error) {
		if err := v.Authorize(realmTarget(call, key.GetRandomPassword)); err != nil {
			return key.Secret{}, err
		}
		length := req.Length
		if length == 0 {
			length = DefaultPassword
		}
		if length < 1 || length > MaxPassword || utf8.RuneCountInString(req.Without) > maxExcluded {
			return key.Secret{}, fault.New(fault.InvalidArgument, "a password has 1 to %d characters, without at most %d", MaxPassword, maxExcluded)
		}
		v.NoteInt("length", length)
		sets, err := req.sets(length)
		if err != nil {
			return key.Secret{}, err
		}
		return key.NewSecret(password(length, sets, req.Each)), nil
	})
}

// sets returns the characters of each class that is asked for.
func (r *PasswordRequest) sets(length int) ([]string, error) {
	var sets []string
	for c := Lower; c <= Space; c <<= 1 {
		if r.Classes&c == 0 {
			continue
		}
		set := strings.Map(func(x rune) rune {
			if strings.ContainsRune(r.Without, x) {
				return -1
			}
			return x
		}, classes[c])
		if set != "" {
			sets = append(sets, set)
		}
	}
	switch {
	case len(sets) == 0:
		return nil, fault.New(fault.InvalidArgument, "a password needs characters that are not excluded")
	case r.Each && length < len(sets):
		return nil, fault.New(fault.InvalidArgument, "a password of %d characters does not have one of each of %d classes", length, len(sets))
	}
	return sets, nil
}

// password draws the characters: every password with the properties that are
// asked for is as likely as the others.
func password(length int, sets []string, each bool) []byte {
	all := strings.Join(sets, "")
	for {
		out := make([]byte, length)
		for i := range out {
			out[i] = all[below(len(all))]
		}
		if !each || hasEach(out, sets) {
			return out
		}
		clear(out)
	}
}

func hasEach(text []byte, sets []string) bool {
	for _, set := range sets {
		if !strings.ContainsAny(set, string(text)) {
			return false
		}
	}
	return true
}
