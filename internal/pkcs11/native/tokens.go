//go:build linux && (amd64 || arm64) && !static

package native

import (
	"bytes"
	"errors"
	"strings"

	"github.com/holdfast-kms/holdfast/internal/pkcs11"
)

// Offsets in the structures of section 3, in the layout of 64-bit Unix.
const (
	infoManufacturer   = 2
	infoDescription    = 48
	infoLibraryVersion = 80
	infoSize           = 88

	tokenManufacturer = 32
	tokenModel        = 64
	tokenSerial       = 80
	tokenFlags        = 96
	tokenMaxSessions  = 104
	tokenMaxPIN       = 136
	tokenMinPIN       = 144
	tokenHardware     = 184
	tokenFirmware     = 186
	tokenSize         = 208

	labelSize = 32
)

// padded returns a text that fills its n bytes with blanks.
func padded(b []byte, n int) string {
	return strings.TrimRight(strings.ToValidUTF8(string(b[:n]), "�"), " \x00")
}

func (o *operation) info() (*pkcs11.Result, error) {
	b := o.a.take(infoSize)
	if err := o.l.call(fnGetInfo, address(b)); err != nil {
		return nil, err
	}
	return &pkcs11.Result{Info: &pkcs11.Info{
		CryptokiVersion: [2]byte(b),
		LibraryVersion:  [2]byte(b[infoLibraryVersion:]),
		Manufacturer:    padded(b[infoManufacturer:], labelSize),
		Description:     padded(b[infoDescription:], labelSize),
	}}, nil
}

// list asks for how many numbers there are, then for them; more may have come
// in between.
func (o *operation) list(get func(out, count uintptr) error) ([]uint64, error) {
	count := o.a.number(0)
	for range 3 {
		if err := get(0, address(count)); err != nil {
			return nil, err
		}
		n := number(count)
		if n > pkcs11.MaxMessage/16 {
			return nil, errOverrun
		}
		out := o.a.take(8 * int(n))
		err := get(address(out), address(count))
		if errors.Is(err, pkcs11.RVBufferTooSmall) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if number(count) > n {
			return nil, errOverrun
		}
		all := make([]uint64, number(count))
		for i := range all {
			all[i] = number(out[8*i:])
		}
		return all, nil
	}
	return nil, pkcs11.RVBufferTooSmall
}

func (o *operation) slots() (*pkcs11.Result, error) {
	present := uintptr(0)
	if o.c.Flag {
		present = 1
	}
	all, err := o.list(func(out, count uintptr) error {
		return o.l.call(fnGetSlotList, present, out, count)
	})
	if err != nil {
		return nil, err
	}
	return &pkcs11.Result{Handles: all}, nil
}

func (o *operation) token() (*pkcs11.Result, error) {
	b := o.a.take(tokenSize)
	if err := o.l.call(fnGetTokenInfo, o.slot(), address(b)); err != nil {
		return nil, err
	}
	return &pkcs11.Result{Token: &pkcs11.TokenInfo{
		Label:           padded(b, labelSize),
		Manufacturer:    padded(b[tokenManufacturer:], labelSize),
		Model:           padded(b[tokenModel:], 16),
		Serial:          padded(b[tokenSerial:], 16),
		Flags:           pkcs11.TokenFlags(number(b[tokenFlags:])),
		MaxSessions:     number(b[tokenMaxSessions:]),
		MinPIN:          number(b[tokenMinPIN:]),
		MaxPIN:          number(b[tokenMaxPIN:]),
		HardwareVersion: [2]byte(b[tokenHardware:]),
		FirmwareVersion: [2]byte(b[tokenFirmware:]),
	}}, nil
}

// mechanisms lists the token's mechanisms. One about which the library gives no
// information is left out: nothing can be relied on with it.
func (o *operation) mechanisms() (*pkcs11.Result, error) {
	types, err := o.list(func(out, count uintptr) error {
		return o.l.call(fnGetMechanismList, o.slot(), out, count)
	})
	if err != nil {
		return nil, err
	}
	b := o.a.numbers(0, 0, 0) // CK_MECHANISM_INFO
	var all []pkcs11.MechanismInfo
	for _, t := range types {
		if err := o.l.call(fnGetMechanismInfo, o.slot(), uintptr(t), address(b)); err != nil {
			continue
		}
		all = append(all, pkcs11.MechanismInfo{
			Type: pkcs11.MechanismType(t), Min: number(b), Max: number(b[8:]), Flags: pkcs11.MechanismFlags(number(b[16:])),
		})
	}
	return &pkcs11.Result{Mechanisms: all}, nil
}

func (o *operation) initToken() (*pkcs11.Result, error) {
	if len(o.c.Data) > labelSize {
		return nil, pkcs11.RVArgumentsBad
	}
	label := append(bytes.Clone(o.c.Data), bytes.Repeat([]byte{' '}, labelSize-len(o.c.Data))...)
	at, _ := o.in(label)
	pin, n := o.secret(o.c.Extra)
	return o.done(o.l.call(fnInitToken, o.slot(), pin, n, at))
}

func (o *operation) initPIN() (*pkcs11.Result, error) {
	pin, n := o.secret(o.c.Data)
	return o.done(o.l.call(fnInitPIN, o.session(), pin, n))
}

func (o *operation) setPIN() (*pkcs11.Result, error) {
	old, n := o.secret(o.c.Data)
	pin, m := o.secret(o.c.Extra)
	return o.done(o.l.call(fnSetPIN, o.session(), old, n, pin, m))
}
