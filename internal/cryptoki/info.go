package cryptoki

import (
	"context"
	"strconv"
	"unicode/utf8"

	"github.com/holdfast-kms/holdfast/internal/cryptoki/mechanism"
	"github.com/holdfast-kms/holdfast/internal/cryptoki/token"
	"github.com/holdfast-kms/holdfast/internal/pkcs11"
	"github.com/holdfast-kms/holdfast/internal/wire/p11kit"
)

const manufacturer = "Holdfast"

// maxPIN is the longest PIN in bytes: an access key and a session token fit.
const maxPIN = 8 << 10

// initialize is C_Initialize: the client says what it speaks.
func (c *call) initialize(context.Context) error {
	handshake := c.r.Bytes()
	c.r.Byte()  // whether what follows means something
	c.r.Bytes() // the argument of the library's own C_Initialize
	if err := c.args(); err != nil {
		return err
	}
	if string(handshake) != p11kit.Handshake {
		return pkcs11.RVGeneralError
	}
	return nil
}

// finalize is C_Finalize. The connection ends, and with it what there was.
func (c *call) finalize(context.Context) error { return c.args() }

func (c *call) info(context.Context) error {
	if err := c.args(); err != nil {
		return err
	}
	c.w.Version([2]byte{2, 40})
	c.w.Text(manufacturer, 32)
	c.w.Uint(0) // flags: there are none
	c.w.Text("Holdfast PKCS #11 agent", 32)
	c.w.Version([2]byte{1, 0})
	return nil
}

func (c *call) slotList(context.Context) error {
	c.r.Byte() // only those with a token: all have one
	room := c.r.Room()
	if err := c.args(); err != nil {
		return err
	}
	list := make([]uint64, len(c.app.slots))
	for i := range list {
		list[i] = uint64(i)
	}
	c.numbers(room, list)
	return nil
}

// numbers writes numbers where there is room for them, and how many there are
// otherwise.
func (c *call) numbers(room p11kit.Room, list []uint64) {
	if !room.Holds(len(list)) {
		c.w.Length(len(list))
		return
	}
	c.w.Uints(list)
}

// tokenOf returns the token of a slot, after all arguments are read.
func (c *call) tokenOf(slotID uint64) (int, token.Token, error) {
	if err := c.args(); err != nil {
		return 0, nil, err
	}
	return c.app.token(slotID)
}

func (c *call) slotInfo(context.Context) error {
	at, t, err := c.tokenOf(c.r.Uint())
	if err != nil {
		return err
	}
	c.w.Text(cut("Holdfast slot "+strconv.Itoa(at)+": "+t.Describe().Label, 64), 64)
	c.w.Text(manufacturer, 32)
	c.w.Uint(pkcs11.SlotTokenPresent)
	c.w.Version([2]byte{1, 0})
	c.w.Version([2]byte{1, 0})
	return nil
}

// unavailable is CK_UNAVAILABLE_INFORMATION.
const unavailable = 1<<64 - 1

func (c *call) tokenInfo(context.Context) error {
	at, t, err := c.tokenOf(c.r.Uint())
	if err != nil {
		return err
	}
	d := t.Describe()
	flags := pkcs11.TokenRNG | pkcs11.TokenUserPINInitialized | pkcs11.TokenInitialized
	if d.LoginRequired {
		flags |= pkcs11.TokenLoginRequired
	} else {
		// Who logs in all the same does so without a PIN that somebody has to type.
		flags |= pkcs11.TokenProtectedAuthenticationPath
	}
	c.app.mu.Lock()
	open, writing := c.app.slots[at].sessions, c.app.slots[at].writing
	c.app.mu.Unlock()
	c.w.Text(cut(d.Label, 32), 32)
	c.w.Text(cut(d.Manufacturer, 32), 32)
	c.w.Text(cut(d.Model, 16), 16)
	c.w.Text(cut(d.Serial, 16), 16)
	for _, v := range [...]uint64{
		uint64(flags), uint64(c.app.server.Sessions), uint64(open), uint64(c.app.server.Sessions), uint64(writing), //nolint:gosec // counts
		maxPIN, 1, unavailable, unavailable, unavailable, unavailable,
	} {
		c.w.Uint(v)
	}
	c.w.Version([2]byte{1, 0})
	c.w.Version([2]byte{1, 0})
	c.w.Text("", 16) // no clock
	return nil
}

// cut cuts a text to n bytes at a character.
func cut(text string, n int) string {
	if len(text) <= n {
		return text
	}
	for n > 0 && !utf8.RuneStart(text[n]) {
		n--
	}
	return text[:n]
}

func (c *call) mechanismList(context.Context) error {
	slotID, room := c.r.Uint(), c.r.Room()
	if _, _, err := c.tokenOf(slotID); err != nil {
		return err
	}
	all := mechanism.List()
	list := make([]uint64, len(all))
	for i, m := range all {
		list[i] = uint64(m)
	}
	c.numbers(room, list)
	return nil
}

func (c *call) mechanismInfo(context.Context) error {
	slotID, kind := c.r.Uint(), c.r.Uint()
	if _, _, err := c.tokenOf(slotID); err != nil {
		return err
	}
	m, ok := mechanism.Info(pkcs11.MechanismType(kind))
	if !ok {
		return pkcs11.RVMechanismInvalid
	}
	c.w.Uint(m.Min)
	c.w.Uint(m.Max)
	c.w.Uint(uint64(m.Flags))
	return nil
}

func (c *call) openSession(context.Context) error {
	slotID, flags := c.r.Uint(), c.r.Uint()
	at, _, err := c.tokenOf(slotID)
	if err != nil {
		return err
	}
	if flags&pkcs11.SessionSerial == 0 {
		return pkcs11.RVSessionParallelNotSupported
	}
	s, err := c.app.open(at, flags&pkcs11.SessionReadWrite != 0)
	if err != nil {
		return err
	}
	c.w.Uint(s.handle)
	return nil
}

func (c *call) closeSession(ctx context.Context) error {
	s, err := c.sessionOf(c.r.Uint())
	if err != nil {
		return err
	}
	c.app.closeSession(ctx, s)
	return nil
}

func (c *call) closeAllSessions(ctx context.Context) error {
	at, _, err := c.tokenOf(c.r.Uint())
	if err != nil {
		return err
	}
	c.app.mu.Lock()
	var all []*session
	for _, s := range c.app.sessions {
		if s.slot == at {
			all = append(all, s)
		}
	}
	c.app.mu.Unlock()
	for _, s := range all {
		c.app.closeSession(ctx, s)
	}
	return nil
}

func (c *call) sessionInfo(context.Context) error {
	s, err := c.sessionOf(c.r.Uint())
	if err != nil {
		return err
	}
	flags := uint64(pkcs11.SessionSerial)
	if s.writes {
		flags |= pkcs11.SessionReadWrite
	}
	c.w.Uint(uint64(s.slot)) //nolint:gosec // an index
	c.w.Uint(c.app.state(s))
	c.w.Uint(flags)
	c.w.Uint(0) // no error of a device
	return nil
}

// sessionCancel is C_SessionCancel of PKCS #11 3.0: it ends the operations
// that the flags name (CKF_ENCRYPT and so on, as mechanisms have them).
func (c *call) sessionCancel(context.Context) error {
	handle, flags := c.r.Uint(), pkcs11.MechanismFlags(c.r.Uint())
	s, err := c.enter(handle)
	if err != nil {
		return err
	}
	defer s.mu.Unlock()
	for _, op := range []struct {
		flag pkcs11.MechanismFlags
		end  func(*application)
	}{
		{pkcs11.CanSign, s.sign.end},
		{pkcs11.CanVerify, s.verify.end},
		{pkcs11.CanEncrypt, s.encrypt.end},
		{pkcs11.CanDecrypt, s.decrypt.end},
		{pkcs11.CanDigest, func(*application) { s.digest = digesting{} }},
		{canFind, func(*application) { s.finding, s.found = false, nil }},
	} {
		if flags&op.flag != 0 {
			op.end(c.app)
		}
	}
	return nil
}

const canFind pkcs11.MechanismFlags = 0x40 // CKF_FIND_OBJECTS

// seedRandom is refused: nothing that an application says makes the token's
// numbers better.
func (*call) seedRandom(context.Context) error { return pkcs11.RVRandomSeedNotSupported }

// maxRandom is how many random bytes a call gets.
const maxRandom = 1 << 20

func (c *call) generateRandom(ctx context.Context) error {
	handle, room := c.r.Uint(), c.r.Room()
	s, err := c.sessionOf(handle)
	if err != nil {
		return err
	}
	if room.Size > maxRandom {
		return pkcs11.RVArgumentsBad
	}
	b := make([]byte, room.Size)
	defer clear(b)
	if err := c.random(ctx, s, b); err != nil {
		return err
	}
	c.w.Bytes(b)
	return nil
}

// random fills b from the token where the application may use it, and from this
// process's source otherwise.
func (c *call) random(ctx context.Context, s *session, b []byte) error {
	h, err := c.app.holder(ctx, s.slot)
	if err == pkcs11.RVUserNotLoggedIn { //nolint:errorlint // holder returns it as it is
		return c.app.server.maker.Random(ctx, b)
	}
	if err != nil {
		return err
	}
	return c.app.expired(ctx, s.slot, h.Random(ctx, b))
}
