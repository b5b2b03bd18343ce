package cryptoki

import (
	"context"
	"errors"
	"log/slog"

	"github.com/holdfast-kms/holdfast/internal/pkcs11"
	"github.com/holdfast-kms/holdfast/internal/wire/p11kit"
)

// call is a call that an application makes.
type call struct {
	app *application
	id  p11kit.Call
	r   *p11kit.Reader
	w   *p11kit.Writer
}

// handlers has what does each call. A handler reads all arguments, says so by
// args or one of its like, does the work, and writes the results last. A call
// without one is CKR_FUNCTION_NOT_SUPPORTED.
var handlers = [...]func(*call, context.Context) error{
	p11kit.CallInitialize:       (*call).initialize,
	p11kit.CallFinalize:         (*call).finalize,
	p11kit.CallGetInfo:          (*call).info,
	p11kit.CallGetSlotList:      (*call).slotList,
	p11kit.CallGetSlotInfo:      (*call).slotInfo,
	p11kit.CallGetTokenInfo:     (*call).tokenInfo,
	p11kit.CallGetMechanismList: (*call).mechanismList,
	p11kit.CallGetMechanismInfo: (*call).mechanismInfo,
	p11kit.CallOpenSession:      (*call).openSession,
	p11kit.CallCloseSession:     (*call).closeSession,
	p11kit.CallCloseAllSessions: (*call).closeAllSessions,
	p11kit.CallGetSessionInfo:   (*call).sessionInfo,
	p11kit.CallLogin:            (*call).login,
	p11kit.CallLogout:           (*call).logoutCall,
	p11kit.CallSessionCancel:    (*call).sessionCancel,

	p11kit.CallCreateObject:      (*call).createObject,
	p11kit.CallCopyObject:        (*call).copyObject,
	p11kit.CallDestroyObject:     (*call).destroyObject,
	p11kit.CallGetObjectSize:     (*call).objectSize,
	p11kit.CallGetAttributeValue: (*call).attributeValue,
	p11kit.CallSetAttributeValue: (*call).setAttributeValue,
	p11kit.CallFindObjectsInit:   (*call).findInit,
	p11kit.CallFindObjects:       (*call).find,
	p11kit.CallFindObjectsFinal:  (*call).findFinal,

	p11kit.CallEncryptInit:   (*call).cryptInit,
	p11kit.CallEncrypt:       (*call).crypt,
	p11kit.CallEncryptUpdate: (*call).cryptUpdate,
	p11kit.CallEncryptFinal:  (*call).cryptFinal,
	p11kit.CallDecryptInit:   (*call).cryptInit,
	p11kit.CallDecrypt:       (*call).crypt,
	p11kit.CallDecryptUpdate: (*call).cryptUpdate,
	p11kit.CallDecryptFinal:  (*call).cryptFinal,
	p11kit.CallDigestInit:    (*call).digestInit,
	p11kit.CallDigest:        (*call).digestOnce,
	p11kit.CallDigestUpdate:  (*call).digestUpdate,
	p11kit.CallDigestFinal:   (*call).digestFinal,
	p11kit.CallSignInit:      (*call).signInit,
	p11kit.CallSign:          (*call).sign,
	p11kit.CallSignUpdate:    (*call).signUpdate,
	p11kit.CallSignFinal:     (*call).signFinal,
	p11kit.CallVerifyInit:    (*call).signInit,
	p11kit.CallVerify:        (*call).verify,
	p11kit.CallVerifyUpdate:  (*call).signUpdate,
	p11kit.CallVerifyFinal:   (*call).verifyFinal,

	p11kit.CallGenerateKey:     (*call).generateKey,
	p11kit.CallGenerateKeyPair: (*call).generateKeyPair,
	p11kit.CallWrapKey:         (*call).wrapKey,
	p11kit.CallUnwrapKey:       (*call).unwrapKey,
	p11kit.CallDeriveKey:       (*call).deriveKey,
	p11kit.CallDeriveKey2:      (*call).deriveKey,
	p11kit.CallSeedRandom:      (*call).seedRandom,
	p11kit.CallGenerateRandom:  (*call).generateRandom,
}

// Call makes a call and returns what the application is told. It logs what the
// application is not.
func (a *application) Call(ctx context.Context, id p11kit.Call, args *p11kit.Reader, results *p11kit.Writer) pkcs11.RV {
	c := call{app: a, id: id, r: args, w: results}
	err := c.make(ctx)
	v := rvOf(err)
	if _, plain := errors.AsType[pkcs11.RV](err); err != nil && !plain {
		a.server.Log.WarnContext(ctx, "a PKCS #11 call failed", slog.String("function", id.String()), slog.String("answer", v.Error()), a.who.Attr(), slog.Any("cause", err))
	}
	return v
}

// make makes the call.
func (c *call) make(ctx context.Context) error {
	if int(c.id) < len(handlers) && handlers[c.id] != nil {
		return handlers[c.id](c, ctx)
	}
	return pkcs11.RVFunctionNotSupported
}

// args says that all arguments are read. Whatever of them is not there, or
// malformed, is CKR_ARGUMENTS_BAD.
func (c *call) args() error {
	if c.r.End() != nil {
		return pkcs11.RVArgumentsBad
	}
	return nil
}

// sessionOf returns the session of a handle, after all arguments are read.
func (c *call) sessionOf(handle uint64) (*session, error) {
	if err := c.args(); err != nil {
		return nil, err
	}
	return c.app.session(handle)
}

// enter is sessionOf, and waits until nobody else does something in the
// session. The caller leaves it.
func (c *call) enter(handle uint64) (*session, error) {
	s, err := c.sessionOf(handle)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	return s, nil
}

// operation is one that takes several calls.
type operation interface{ active() bool }

// ongoing is enter, for a call that goes on with an operation of the session.
func ongoing[O operation](c *call, handle uint64, of func(*session) O) (*session, O, error) {
	var none O
	s, err := c.enter(handle)
	if err != nil {
		return nil, none, err
	}
	if op := of(s); op.active() {
		return s, op, nil
	}
	s.mu.Unlock()
	return nil, none, pkcs11.RVOperationNotInitialized
}

// output writes a result where there is room for it, and its length otherwise.
// It reports whether the result was given.
func (c *call) output(room p11kit.Room, result []byte) bool {
	if !room.Holds(len(result)) {
		c.w.Length(len(result))
		return false
	}
	c.w.Bytes(result)
	return true
}
