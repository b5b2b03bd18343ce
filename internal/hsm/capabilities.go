package hsm

import (
	"context"
	"slices"
	"sync/atomic"

	"github.com/holdfast-kms/holdfast/internal/pkcs11"
)

// Capabilities is what a token can do, as it says itself. It is not changed
// after it was made.
type Capabilities struct {
	Library pkcs11.Info
	Token   pkcs11.TokenInfo
	// Others are what the other tokens of a Group say.
	Others []pkcs11.TokenInfo
	// Mechanisms are sorted by type, without those that the preset avoids.
	Mechanisms []pkcs11.MechanismInfo
	// Omit are attributes that must not be in templates (of the preset).
	Omit []pkcs11.AttributeType
}

// Has reports whether the token has a mechanism for all that the flags say.
func (c *Capabilities) Has(m pkcs11.MechanismType, flags pkcs11.MechanismFlags) bool {
	info, ok := c.Mechanism(m)
	return ok && info.Flags&flags == flags
}

// Fits reports whether Has holds and a key of a size is between the mechanism's
// smallest and largest. The unit is the mechanism's: bits for RSA and EC, bytes
// for most others. A largest size of 0 is none.
func (c *Capabilities) Fits(m pkcs11.MechanismType, flags pkcs11.MechanismFlags, size uint64) bool {
	info, ok := c.Mechanism(m)
	return ok && info.Flags&flags == flags && size >= info.Min && (info.Max == 0 || size <= info.Max)
}

// Mechanism returns what the token says of a mechanism.
func (c *Capabilities) Mechanism(m pkcs11.MechanismType) (pkcs11.MechanismInfo, bool) {
	i, ok := slices.BinarySearchFunc(c.Mechanisms, m, func(a pkcs11.MechanismInfo, b pkcs11.MechanismType) int {
		return compare(a.Type, b)
	})
	if !ok {
		return pkcs11.MechanismInfo{}, false
	}
	return c.Mechanisms[i], true
}

// Template returns attributes for a new object, without those that must not be
// in it.
func (c *Capabilities) Template(attributes ...pkcs11.Attribute) []pkcs11.Attribute {
	return slices.DeleteFunc(attributes, func(a pkcs11.Attribute) bool { return slices.Contains(c.Omit, a.Type) })
}

// both returns what two tokens can both do.
func (c *Capabilities) both(d *Capabilities) *Capabilities {
	out := &Capabilities{Library: c.Library, Token: c.Token, Omit: slices.Clone(c.Omit)}
	out.Others = append(slices.Clone(c.Others), d.Token)
	for _, m := range c.Mechanisms {
		n, ok := d.Mechanism(m.Type)
		if !ok {
			continue
		}
		m.Min = max(m.Min, n.Min)
		if m.Max == 0 || n.Max != 0 && n.Max < m.Max {
			m.Max = n.Max
		}
		m.Flags &= n.Flags
		out.Mechanisms = append(out.Mechanisms, m)
	}
	for _, a := range d.Omit {
		if !slices.Contains(out.Omit, a) {
			out.Omit = append(out.Omit, a)
		}
	}
	return out
}

// capabilities keeps what a token said when it was last connected to.
type capabilities struct {
	known atomic.Pointer[Capabilities]
}

// load asks a process that has just been started.
func (k *capabilities) load(ctx context.Context, p *process, token *pkcs11.TokenInfo) error {
	info, err := p.call(ctx, &pkcs11.Call{Function: pkcs11.FnInfo})
	if err != nil {
		return err
	}
	r, err := p.call(ctx, &pkcs11.Call{Function: pkcs11.FnMechanisms, Slot: p.slot})
	if err != nil {
		return err
	}
	preset := &p.token.cfg.Preset
	c := &Capabilities{Token: *token, Omit: preset.Omit}
	if info.Info != nil {
		c.Library = *info.Info
	}
	for _, m := range r.Mechanisms {
		if !slices.Contains(preset.Avoid, m.Type) {
			c.Mechanisms = append(c.Mechanisms, m)
		}
	}
	slices.SortFunc(c.Mechanisms, func(a, b pkcs11.MechanismInfo) int { return compare(a.Type, b.Type) })
	k.known.Store(c)
	return nil
}

func compare(a, b pkcs11.MechanismType) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// Capabilities returns what the token can do. See Place.
func (t *Token) Capabilities(ctx context.Context) (*Capabilities, error) {
	if c := t.able.known.Load(); c != nil {
		return c, nil
	}
	// Nobody has reached it yet: waiting for a session is waiting for that.
	if err := t.Do(ctx, func(context.Context, *pkcs11.Session) error { return nil }); err != nil {
		return nil, err
	}
	return t.able.known.Load(), nil
}
