package cryptokitest

import (
	"fmt"
	"io"
	"net"

	"github.com/holdfast-kms/holdfast/internal/pkcs11"
	"github.com/holdfast-kms/holdfast/internal/wire/p11kit"
)

// Client is an application that speaks the p11-kit protocol, one call after the
// other. Refusals are pkcs11.RV.
type Client struct {
	conn    net.Conn
	dialect p11kit.Dialect
	w       p11kit.Writer
	code    uint32
	in      []byte
}

// Dial connects to a server, offers a version of the protocol, and calls
// C_Initialize.
func Dial(path string, offer byte) (*Client, error) {
	conn, err := net.Dial("unix", path) //nolint:noctx // a test's socket, which answers at once
	if err != nil {
		return nil, err
	}
	c := &Client{conn: conn, dialect: p11kit.DialectOf(offer), code: 0x10}
	if err := c.greet(offer); err != nil {
		_ = conn.Close() // the first error says more
		return nil, err
	}
	return c, nil
}

func (c *Client) greet(offer byte) error {
	if _, err := c.conn.Write([]byte{offer}); err != nil {
		return err
	}
	var agreed [1]byte
	if _, err := io.ReadFull(c.conn, agreed[:]); err != nil {
		return err
	}
	if agreed[0] > offer {
		return fmt.Errorf("version %d was agreed on, %d offered", agreed[0], offer)
	}
	return c.Call(p11kit.CallInitialize, func(w *p11kit.Writer) {
		w.Bytes([]byte(p11kit.Handshake))
		w.Byte(0)
		w.Bytes([]byte{0})
	}, nil)
}

// Conn returns the connection, for what no client does.
func (c *Client) Conn() net.Conn { return c.conn }

// Close ends the connection without C_Finalize, as a client that dies does.
func (c *Client) Close() error { return c.conn.Close() }

// Call makes a call: arguments writes what it has, results reads what came.
// Either may be nil.
func (c *Client) Call(id p11kit.Call, arguments func(*p11kit.Writer), results func(*p11kit.Reader)) error {
	c.code++
	c.w.Request(c.code, id)
	if arguments != nil {
		arguments(&c.w)
	}
	if _, err := c.conn.Write(c.w.Frame()); err != nil {
		return err
	}
	body, err := c.read()
	if err != nil {
		return err
	}
	got, r, err := p11kit.ParseResponse(body)
	if err != nil {
		return err
	}
	if got == p11kit.CallError {
		return pkcs11.RV(r.Uint())
	}
	if got != id {
		return fmt.Errorf("%v was answered as %v", id, got)
	}
	if results != nil {
		results(&r)
	}
	return r.End()
}

func (c *Client) read() ([]byte, error) {
	if cap(c.in) < p11kit.HeaderSize {
		c.in = make([]byte, 4<<10)
	}
	header := c.in[:p11kit.HeaderSize]
	if _, err := io.ReadFull(c.conn, header); err != nil {
		return nil, err
	}
	h, err := p11kit.ParseHeader(header)
	if err != nil {
		return nil, err
	}
	if h.Code != c.code || h.Options != 0 {
		return nil, fmt.Errorf("call %d was answered with %+v", c.code, h)
	}
	if cap(c.in) < int(h.Body) {
		c.in = make([]byte, h.Body)
	}
	body := c.in[:h.Body]
	_, err = io.ReadFull(c.conn, body)
	return body, err
}

// Session opens a session with slot 0, and logs in when there is a PIN.
func (c *Client) Session(pin string) (uint64, error) {
	var handle uint64
	err := c.Call(p11kit.CallOpenSession, func(w *p11kit.Writer) {
		w.Uint(0)
		w.Uint(pkcs11.SessionSerial | pkcs11.SessionReadWrite)
	}, func(r *p11kit.Reader) { handle = r.Uint() })
	if err != nil || pin == "" {
		return handle, err
	}
	return handle, c.Login(handle, pin)
}

// Login is C_Login.
func (c *Client) Login(session uint64, pin string) error {
	return c.Call(p11kit.CallLogin, func(w *p11kit.Writer) {
		w.Uint(session)
		w.Uint(uint64(pkcs11.UserNormal))
		w.Bytes([]byte(pin))
	}, nil)
}

// Find returns the objects with all attributes of a template.
func (c *Client) Find(session uint64, template ...pkcs11.Attribute) ([]uint64, error) {
	err := c.Call(p11kit.CallFindObjectsInit, func(w *p11kit.Writer) {
		w.Uint(session)
		w.Attributes(template)
	}, nil)
	if err != nil {
		return nil, err
	}
	var found []uint64
	err = c.Call(p11kit.CallFindObjects, func(w *p11kit.Writer) {
		w.Uint(session)
		w.Room(p11kit.Room{Size: 1000})
	}, func(r *p11kit.Reader) { found, _ = r.UintsOrLength() })
	if err != nil {
		return nil, err
	}
	return found, c.Call(p11kit.CallFindObjectsFinal, func(w *p11kit.Writer) { w.Uint(session) }, nil)
}

// Attributes is C_GetAttributeValue with much room, or with none where ask is
// true. What is not told has a nil Value.
func (c *Client) Attributes(session, object uint64, ask bool, types ...pkcs11.AttributeType) ([]pkcs11.Attribute, pkcs11.RV, error) {
	room := 8 << 10
	if ask {
		room = 0
	}
	wanted := make([]p11kit.Wanted, len(types))
	for i, t := range types {
		wanted[i] = p11kit.Wanted{Type: t, Room: room}
	}
	var list []pkcs11.Attribute
	var answer uint64
	err := c.Call(p11kit.CallGetAttributeValue, func(w *p11kit.Writer) {
		w.Uint(session)
		w.Uint(object)
		w.WantedList(wanted)
	}, func(r *p11kit.Reader) { list, answer = r.Attributes(), r.Uint() })
	return list, pkcs11.RV(answer), err
}

// GeneratePair is C_GenerateKeyPair: the public and the private half.
func (c *Client) GeneratePair(session uint64, m p11kit.Mechanism, public, private []pkcs11.Attribute) (uint64, uint64, error) {
	var a, b uint64
	err := c.Call(p11kit.CallGenerateKeyPair, func(w *p11kit.Writer) {
		w.Uint(session)
		w.Mechanism(m, c.dialect)
		w.Attributes(public)
		w.Attributes(private)
	}, func(r *p11kit.Reader) { a, b = r.Uint(), r.Uint() })
	return a, b, err
}

// Make makes an object: C_GenerateKey, C_DeriveKey and C_UnwrapKey, whose
// other arguments are written by rest.
func (c *Client) Make(id p11kit.Call, session uint64, m p11kit.Mechanism, template []pkcs11.Attribute, rest func(*p11kit.Writer)) (uint64, error) {
	var handle uint64
	err := c.Call(id, func(w *p11kit.Writer) {
		w.Uint(session)
		w.Mechanism(m, c.dialect)
		if rest != nil {
			rest(w)
		}
		w.Attributes(template)
	}, func(r *p11kit.Reader) {
		if id == p11kit.CallDeriveKey2 {
			r.Uint()
			r.Byte()
		}
		handle = r.Uint()
	})
	return handle, err
}

// Create is C_CreateObject.
func (c *Client) Create(session uint64, template ...pkcs11.Attribute) (uint64, error) {
	var handle uint64
	err := c.Call(p11kit.CallCreateObject, func(w *p11kit.Writer) {
		w.Uint(session)
		w.Attributes(template)
	}, func(r *p11kit.Reader) { handle = r.Uint() })
	return handle, err
}

// Begin is C_SignInit and its like.
func (c *Client) Begin(id p11kit.Call, session uint64, m p11kit.Mechanism, key uint64) error {
	return c.Call(id, func(w *p11kit.Writer) {
		w.Uint(session)
		w.Mechanism(m, c.dialect)
		if id != p11kit.CallDigestInit {
			w.Uint(key)
		}
	}, nil)
}

// Room is what results have, unless a test says something else.
const Room = 16 << 10

// Do is C_Sign and its like: data goes in, a result comes out. With no room the
// result is as many zeros as would be needed.
func (c *Client) Do(id p11kit.Call, session uint64, data []byte, room p11kit.Room) ([]byte, error) {
	var out []byte
	err := c.Call(id, func(w *p11kit.Writer) {
		w.Uint(session)
		w.Bytes(data)
		w.Room(room)
	}, func(r *p11kit.Reader) { out = result(r) })
	return out, err
}

// Final is C_SignFinal and its like.
func (c *Client) Final(id p11kit.Call, session uint64, room p11kit.Room) ([]byte, error) {
	var out []byte
	err := c.Call(id, func(w *p11kit.Writer) {
		w.Uint(session)
		w.Room(room)
	}, func(r *p11kit.Reader) { out = result(r) })
	return out, err
}

func result(r *p11kit.Reader) []byte {
	b, n := r.BytesOrLength()
	if b == nil {
		return make([]byte, n)
	}
	return append([]byte(nil), b...)
}

// Sign is C_SignInit and C_Sign.
func (c *Client) Sign(session uint64, m p11kit.Mechanism, key uint64, data []byte) ([]byte, error) {
	if err := c.Begin(p11kit.CallSignInit, session, m, key); err != nil {
		return nil, err
	}
	return c.Do(p11kit.CallSign, session, data, p11kit.Room{Size: Room})
}

// Verify is C_VerifyInit and C_Verify.
func (c *Client) Verify(session uint64, m p11kit.Mechanism, key uint64, data, signature []byte) error {
	if err := c.Begin(p11kit.CallVerifyInit, session, m, key); err != nil {
		return err
	}
	return c.Call(p11kit.CallVerify, func(w *p11kit.Writer) {
		w.Uint(session)
		w.Bytes(data)
		w.Bytes(signature)
	}, nil)
}

// Crypt is C_EncryptInit and C_Encrypt, or C_DecryptInit and C_Decrypt.
func (c *Client) Crypt(begin p11kit.Call, session uint64, m p11kit.Mechanism, key uint64, data []byte) ([]byte, error) {
	if err := c.Begin(begin, session, m, key); err != nil {
		return nil, err
	}
	return c.Do(begin+1, session, data, p11kit.Room{Size: Room})
}
