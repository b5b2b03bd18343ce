package config

import (
	"path/filepath"
	"regexp"
	"slices"
	"time"

	"github.com/holdfast-kms/holdfast/internal/key"
)

// HSM is where keys can live beside this process: tokens of PKCS #11 modules.
type HSM struct {
	// Tokens are what the server logs in to. Default: none.
	Tokens []Token `yaml:"tokens"`
	// Groups are tokens that hold the same keys, used as one. Default: none.
	Groups []TokenGroup `yaml:"groups"`
	// Pool names the tokens of which clusters are made (AWS CloudHSM's API).
	// Such a token is no place for keys by itself. Default: none.
	Pool []string `yaml:"pool"`
}

// Token is one token. One of Token, Serial and Slot says which of the module's.
type Token struct {
	// Name is what keys, commands and the log call the token: lower-case
	// letters, digits and dashes.
	Name string `yaml:"name"`
	// Preset names a maker whose module's path and peculiarities are known:
	// "holdfast hsm presets" lists them. Default: none.
	Preset string `yaml:"preset"`
	// Module is the path of the PKCS #11 library. Default: the preset's.
	Module string `yaml:"module"`
	// Token is the token's label, Serial its serial number, Slot its slot's id.
	Token  string  `yaml:"token"`
	Serial string  `yaml:"serial"`
	Slot   *uint64 `yaml:"slot"`
	// Realms are those that see what is on the token and adopt keys from it: it
	// may be any realm's. All realms may make keys there. Default: the realm
	// 123456789012. Of a group, those that all of its tokens name.
	Realms []string `yaml:"realms"`
	// PINFile has the user's PIN. Default: the variable HOLDFAST_HSM_PIN_NAME,
	// NAME in upper case and dashes as underscores.
	PINFile string `yaml:"pin_file"`
	// SOPINFile has the security officer's PIN, with which a token of the pool
	// is initialised. Default: none, and such tokens are initialised already.
	SOPINFile string `yaml:"so_pin_file"`
	// Environment is what the module's process gets beside PATH, HOME and the
	// locale. Default: nothing.
	Environment map[string]string `yaml:"environment"`
	// Sessions is the largest number of sessions open at one time. Default: 16.
	Sessions int `yaml:"sessions"`
	// Workers is how many processes load the module: more than one where the
	// library itself serves one call at a time. Default: the preset's, else 1.
	Workers int `yaml:"workers"`
	// Timeout is how long one call may take. Default: 10s.
	Timeout time.Duration `yaml:"timeout"`
}

// TokenGroup is several tokens with the same keys.
type TokenGroup struct {
	Name   string   `yaml:"name"`
	Tokens []string `yaml:"tokens"`
}

var placeName = regexp.MustCompile(`^[a-z][a-z0-9-]{0,31}$`)

// validate checks the tokens and groups, and returns the names that are taken.
func (h *HSM) validate(refuse func(name, format string, args ...any)) (names []string) {
	names = []string{"soft"} // the engine in this process
	add := func(field, name string) {
		switch {
		case !placeName.MatchString(name):
			refuse(field, "%q is not a name: use at most 32 lower-case letters, digits and dashes", name)
		case slices.Contains(names, name):
			refuse(field, "the name %q is taken", name)
		}
		names = append(names, name)
	}
	var tokens []string
	for i := range h.Tokens {
		add("hsm.tokens", h.Tokens[i].Name)
		h.Tokens[i].validate(refuse)
		tokens = append(tokens, h.Tokens[i].Name)
	}
	for _, g := range h.Groups {
		add("hsm.groups", g.Name)
		if len(g.Tokens) == 0 {
			refuse("hsm.groups", "the group %q has no tokens", g.Name)
		}
		for _, t := range g.Tokens {
			if !slices.Contains(tokens, t) || slices.Contains(h.Pool, t) {
				refuse("hsm.groups", "the group %q names %q, which is no token, or one of the pool", g.Name, t)
			}
		}
	}
	for _, t := range h.Pool {
		if !slices.Contains(tokens, t) {
			refuse("hsm.pool", "%q is no token", t)
		}
	}
	return names
}

// The bounds of a token's settings.
const (
	maxTokenSessions = 1024
	maxTokenWorkers  = 64
	maxTokenTimeout  = 10 * time.Minute
)

func (t *Token) validate(refuse func(name, format string, args ...any)) {
	field := "hsm.tokens." + t.Name
	chosen := 0
	for _, given := range []bool{t.Token != "", t.Serial != "", t.Slot != nil} {
		if given {
			chosen++
		}
	}
	if chosen != 1 {
		refuse(field, "give one of token, serial and slot, to say which of the module's tokens it is")
	}
	for _, r := range t.Realms {
		if !key.RealmID(r).Valid() {
			refuse(field, "realms: %q is no realm: it has 12 digits", r)
		}
	}
	if t.Module == "" && t.Preset == "" {
		refuse(field, "give the module's path, or a preset")
	}
	if t.Module != "" && !filepath.IsAbs(t.Module) {
		refuse(field, "module %q is not an absolute path", t.Module)
	}
	for _, r := range []struct {
		name            string
		value, min, max int64
	}{
		{"sessions", int64(t.Sessions), 0, maxTokenSessions},
		{"workers", int64(t.Workers), 0, maxTokenWorkers},
		{"timeout", int64(t.Timeout), 0, int64(maxTokenTimeout)},
	} {
		if r.value < r.min || r.value > r.max {
			refuse(field, "%s: %d is not between %d and %d", r.name, r.value, r.min, r.max)
		}
	}
}
