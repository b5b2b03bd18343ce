package hsm

import (
	"context"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"time"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/hsm/preset"
	"github.com/holdfast-kms/holdfast/internal/pkcs11"
	"github.com/holdfast-kms/holdfast/internal/pkcs11/worker"
)

// Config says which token it is and how it is used. One of Token, Serial and
// Slot says which of the module's tokens is meant.
type Config struct {
	// Name is what keys, errors and the log call the token.
	Name string
	// Module is the path of the PKCS #11 library. Default: the first of the
	// preset's paths at which there is a file.
	Module string
	// Preset has the peculiarities of a maker. The zero Preset has none.
	Preset preset.Preset
	// Token is the token's label, Serial its serial number, Slot its slot's id.
	Token, Serial string
	Slot          *uint64
	// PIN returns the user's PIN, whenever the token has to be logged in to; the
	// bytes are overwritten after use. Without it nobody logs in, unless the
	// token has a PIN pad of its own.
	PIN func() ([]byte, error)
	// SOPIN returns the security officer's PIN, for Initialise.
	SOPIN func() ([]byte, error)
	// Environment is what the module's process gets beside its own.
	Environment map[string]string
	// Sessions is the largest number of sessions open at one time. Default: 16.
	Sessions int
	// Workers is how many processes load the module. Default: the preset's, else 1.
	Workers int
	// Waiting is how many callers may wait for a session. Default: 1,024.
	Waiting int
	// Timeout is how long one call of the module may take. Making a key pair or
	// initialising a token may take six times as long. Default: 10 s.
	Timeout time.Duration
	// Log gets what an operator should know. Default: none.
	Log *slog.Logger
	// Launch starts the module. Its context ends when the start has taken too
	// long, not with the module. Default: in a process of its own (package worker).
	Launch func(ctx context.Context, path string, env map[string]string) (pkcs11.Module, error)
}

// The defaults and bounds of a Config.
const (
	defaultSessions = 16
	defaultWaiting  = 1024
	defaultTimeout  = 10 * time.Second
	maxSessions     = 1024
	maxWorkers      = 64
	maxTimeout      = 10 * time.Minute
	// slowFactor times Timeout is what a slow call may take.
	slowFactor = 6
	// startTimeout is what starting a module may take at least.
	startTimeout = 30 * time.Second
)

// complete checks c and fills in the defaults.
func (c *Config) complete() error {
	chosen := 0
	for _, given := range []bool{c.Token != "", c.Serial != "", c.Slot != nil} {
		if given {
			chosen++
		}
	}
	switch {
	case c.Name == "":
		return fault.New(fault.InvalidArgument, "a token without a name")
	case chosen != 1:
		return fault.New(fault.InvalidArgument, "token %q: give one of label, serial number and slot, to say which of the module's tokens it is", c.Name)
	case c.Sessions < 0 || c.Sessions > maxSessions, c.Workers < 0 || c.Workers > maxWorkers,
		c.Timeout < 0 || c.Timeout > maxTimeout, c.Waiting < 0:
		return fault.New(fault.InvalidArgument, "token %q: at most %d sessions, %d workers and %s for a call", c.Name, maxSessions, maxWorkers, maxTimeout)
	}
	if err := c.path(); err != nil {
		return err
	}
	env := maps.Clone(c.Preset.Environment)
	if env == nil {
		env = map[string]string{}
	}
	maps.Copy(env, c.Environment)
	c.Environment = env
	c.Workers = first(c.Workers, c.Preset.Workers, 1)
	c.Sessions = max(first(c.Sessions, defaultSessions), c.Workers)
	c.Waiting = first(c.Waiting, defaultWaiting)
	c.Timeout = first(c.Timeout, defaultTimeout)
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	c.Log = c.Log.With(slog.String("token", c.Name))
	if c.Launch == nil {
		c.Launch = isolated(c.Log)
	}
	return nil
}

// isolated starts modules in processes of their own.
func isolated(log *slog.Logger) func(context.Context, string, map[string]string) (pkcs11.Module, error) {
	return func(ctx context.Context, path string, env map[string]string) (pkcs11.Module, error) {
		if _, err := os.Stat(path); err != nil {
			return nil, err
		}
		return worker.Start(ctx, worker.Config{Path: path, Environment: env, Log: log})
	}
}

// path makes sure that there is a module's path.
func (c *Config) path() error {
	if c.Module == "" {
		c.Module = c.Preset.Find()
	}
	switch {
	case c.Module == "" && c.Preset.Name == "":
		return fault.New(fault.InvalidArgument, "token %q: give the module's path, or a preset", c.Name)
	case c.Module == "":
		return fault.New(fault.InvalidArgument, "token %q: no module at the paths of the preset %q (%s): give its path", c.Name, c.Preset.Name, c.Preset.Paths())
	case !filepath.IsAbs(c.Module):
		return fault.New(fault.InvalidArgument, "token %q: the module's path %q is not absolute", c.Name, c.Module)
	}
	return nil
}

// first returns the first value that is not zero.
func first[T comparable](values ...T) T {
	var zero T
	for _, v := range values {
		if v != zero {
			return v
		}
	}
	return zero
}
