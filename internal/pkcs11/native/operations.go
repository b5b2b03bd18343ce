//go:build linux && (amd64 || arm64) && !static

package native

import (
	"errors"

	"github.com/holdfast-kms/holdfast/internal/pkcs11"
)

// operation is one call with its memory.
type operation struct {
	l *library
	a *arena
	c *pkcs11.Call
}

// operations is every function of package pkcs11; a test counts them.
var operations = map[pkcs11.Function]func(*operation) (*pkcs11.Result, error){
	pkcs11.FnInfo:            (*operation).info,
	pkcs11.FnSlots:           (*operation).slots,
	pkcs11.FnTokenInfo:       (*operation).token,
	pkcs11.FnMechanisms:      (*operation).mechanisms,
	pkcs11.FnInitToken:       (*operation).initToken,
	pkcs11.FnInitPIN:         (*operation).initPIN,
	pkcs11.FnSetPIN:          (*operation).setPIN,
	pkcs11.FnOpenSession:     (*operation).openSession,
	pkcs11.FnCloseSession:    (*operation).closeSession,
	pkcs11.FnLogin:           (*operation).login,
	pkcs11.FnLogout:          (*operation).logout,
	pkcs11.FnFind:            (*operation).find,
	pkcs11.FnAttributes:      (*operation).attributes,
	pkcs11.FnSetAttributes:   (*operation).setAttributes,
	pkcs11.FnCreateObject:    (*operation).createObject,
	pkcs11.FnCopyObject:      (*operation).copyObject,
	pkcs11.FnDestroyObject:   (*operation).destroyObject,
	pkcs11.FnGenerateKey:     (*operation).generateKey,
	pkcs11.FnGenerateKeyPair: (*operation).generateKeyPair,
	pkcs11.FnSign:            (*operation).sign,
	pkcs11.FnVerify:          (*operation).verify,
	pkcs11.FnEncrypt:         (*operation).encrypt,
	pkcs11.FnDecrypt:         (*operation).decrypt,
	pkcs11.FnWrap:            (*operation).wrap,
	pkcs11.FnUnwrap:          (*operation).unwrap,
	pkcs11.FnDerive:          (*operation).derive,
	pkcs11.FnRandom:          (*operation).random,
	pkcs11.FnSeed:            (*operation).seed,
}

func (o *operation) session() uintptr { return uintptr(o.c.Session) }
func (o *operation) slot() uintptr    { return uintptr(o.c.Slot) }
func (o *operation) key() uintptr     { return uintptr(o.c.Key) }
func (o *operation) subject() uintptr { return uintptr(o.c.Subject) }

// in returns the address and the length of a copy of b.
func (o *operation) in(b []byte) (at, length uintptr) {
	return address(o.a.bytes(b)), uintptr(len(b))
}

// secret is in for a PIN; none is no address, which asks the token to take it
// by a way of its own (CKF_PROTECTED_AUTHENTICATION_PATH).
func (o *operation) secret(pin []byte) (at, length uintptr) {
	if pin == nil {
		return 0, 0
	}
	return o.in(pin)
}

// done is for functions that return nothing.
func (*operation) done(err error) (*pkcs11.Result, error) {
	if err != nil {
		return nil, err
	}
	return &pkcs11.Result{}, nil
}

func (o *operation) openSession() (*pkcs11.Result, error) {
	flags := uintptr(serialSession)
	if o.c.Flag {
		flags |= readWrite
	}
	out := o.a.number(0)
	err := o.l.call(fnOpenSession, o.slot(), flags, 0, 0, address(out))
	return o.handle(out, err)
}

// handle returns the handle that a function wrote.
func (*operation) handle(out []byte, err error) (*pkcs11.Result, error) {
	if err != nil {
		return nil, err
	}
	return &pkcs11.Result{Handle: number(out)}, nil
}

func (o *operation) closeSession() (*pkcs11.Result, error) {
	return o.done(o.l.call(fnCloseSession, o.session()))
}

func (o *operation) login() (*pkcs11.Result, error) {
	pin, n := o.secret(o.c.Data)
	return o.done(o.l.call(fnLogin, o.session(), uintptr(o.c.User), pin, n))
}

func (o *operation) logout() (*pkcs11.Result, error) {
	return o.done(o.l.call(fnLogout, o.session()))
}

// begin calls C_SignInit or its like with the mechanism and the key, and where
// the call says so, logs in for this one operation: keys with
// CKA_ALWAYS_AUTHENTICATE want that.
func (o *operation) begin(f function) error {
	m, err := o.mechanism()
	if err != nil {
		return err
	}
	if err := o.l.call(f, o.session(), m, o.key()); err != nil {
		return err
	}
	if o.c.User != pkcs11.UserContextSpecific || o.c.Function == pkcs11.FnVerify {
		return nil
	}
	pin, n := o.secret(o.c.Extra)
	return o.l.call(fnLogin, o.session(), uintptr(pkcs11.UserContextSpecific), pin, n)
}

// output calls a function whose last two arguments are a buffer and its length
// (section 5.2). The buffer is large enough at once as a rule, which saves the
// call that only asks for the length; if it is not, the function says how much
// it wants and is called once more.
func (o *operation) output(f function, expect int, args ...uintptr) (*pkcs11.Result, error) {
	for range 2 {
		out, length := o.a.take(expect), o.a.number(uint64(expect)) //nolint:gosec // not negative
		err := o.l.call(f, append(args, address(out), address(length))...)
		n := number(length)
		if errors.Is(err, pkcs11.RVBufferTooSmall) && n > uint64(expect) && n <= pkcs11.MaxMessage { //nolint:gosec // not negative
			expect = int(n)
			continue
		}
		if err != nil {
			return nil, err
		}
		if n > uint64(len(out)) {
			return nil, errOverrun
		}
		return &pkcs11.Result{Data: append([]byte{}, out[:n]...)}, nil
	}
	return nil, pkcs11.RVBufferTooSmall
}

var errOverrun = errors.New("pkcs11: the module says that it has written more than it had room for")

// Sizes of results that no function exceeds with the keys of today.
const (
	signatureSize = 5120 // ML-DSA-87 has 4,627 bytes, RSA-16384 2,048
	blockSize     = 2048 // beside the data's length: an RSA block, a tag, padding
	wrappedSize   = 16 << 10
)

func (o *operation) sign() (*pkcs11.Result, error) {
	if err := o.begin(fnSignInit); err != nil {
		return nil, err
	}
	data, n := o.in(o.c.Data)
	return o.output(fnSign, signatureSize, o.session(), data, n)
}

func (o *operation) verify() (*pkcs11.Result, error) {
	if err := o.begin(fnVerifyInit); err != nil {
		return nil, err
	}
	data, n := o.in(o.c.Data)
	signature, size := o.in(o.c.Extra)
	return o.done(o.l.call(fnVerify, o.session(), data, n, signature, size))
}

func (o *operation) encrypt() (*pkcs11.Result, error) {
	if err := o.begin(fnEncryptInit); err != nil {
		return nil, err
	}
	data, n := o.in(o.c.Data)
	return o.output(fnEncrypt, len(o.c.Data)+blockSize, o.session(), data, n)
}

func (o *operation) decrypt() (*pkcs11.Result, error) {
	if err := o.begin(fnDecryptInit); err != nil {
		return nil, err
	}
	data, n := o.in(o.c.Data)
	return o.output(fnDecrypt, len(o.c.Data)+blockSize, o.session(), data, n)
}

func (o *operation) wrap() (*pkcs11.Result, error) {
	m, err := o.mechanism()
	if err != nil {
		return nil, err
	}
	return o.output(fnWrapKey, wrappedSize, o.session(), m, o.key(), o.subject())
}

func (o *operation) unwrap() (*pkcs11.Result, error) {
	m, err := o.mechanism()
	if err != nil {
		return nil, err
	}
	template, count, err := o.template(o.c.Template)
	if err != nil {
		return nil, err
	}
	data, n := o.in(o.c.Data)
	out := o.a.number(0)
	err = o.l.call(fnUnwrapKey, o.session(), m, o.key(), data, n, template, count, address(out))
	return o.handle(out, err)
}

func (o *operation) derive() (*pkcs11.Result, error) {
	m, err := o.mechanism()
	if err != nil {
		return nil, err
	}
	template, count, err := o.template(o.c.Template)
	if err != nil {
		return nil, err
	}
	out := o.a.number(0)
	err = o.l.call(fnDeriveKey, o.session(), m, o.key(), template, count, address(out))
	return o.handle(out, err)
}

func (o *operation) random() (*pkcs11.Result, error) {
	if o.c.Limit < 1 || o.c.Limit > pkcs11.MaxMessage/2 {
		return nil, pkcs11.RVArgumentsBad
	}
	out := o.a.take(o.c.Limit)
	if err := o.l.call(fnGenerateRandom, o.session(), address(out), uintptr(len(out))); err != nil {
		return nil, err
	}
	return &pkcs11.Result{Data: append([]byte{}, out...)}, nil
}

func (o *operation) seed() (*pkcs11.Result, error) {
	data, n := o.in(o.c.Data)
	return o.done(o.l.call(fnSeedRandom, o.session(), data, n))
}
