package inventory

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"slices"
	"strings"
	"time"

	"github.com/holdfast-kms/holdfast/internal/bundle"
	"github.com/holdfast-kms/holdfast/internal/ca"
	"github.com/holdfast-kms/holdfast/internal/cert"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/guard"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/store"
	"github.com/holdfast-kms/holdfast/internal/term"
)

// Limits of Register.
const (
	// MaxRegister is how many certificates one call may register, those of
	// chains included.
	MaxRegister = 1000
	// maxPlaces is how many places a certificate keeps, the newest.
	maxPlaces = 64
	// maxDER is the longest certificate in bytes.
	maxDER = 64 << 10
)

// Foreign is what is known of a certificate from elsewhere beside itself.
type Foreign struct {
	// Fingerprint is the SHA-256 of the DER, in hexadecimal.
	Fingerprint string
	// Source is what brought it: "registered", or the name of a scan.
	Source string
	// Places are where it was seen, the newest last.
	Places []Place
	// FirstSeen and LastSeen are the first and the last time it was registered.
	FirstSeen, LastSeen time.Time
	// Issuer is the issuer's name, SelfSigned that it is the subject's own.
	Issuer     string
	SelfSigned bool
	CA         bool

	subject []byte // DER of the subject
}

// Place is where a certificate was seen.
type Place struct {
	// Address is "host:port" or the path of a file, Name the server name that
	// was asked for (SNI), "" for a file.
	Address string `json:"address"`
	Name    string `json:"name,omitempty"`
	// Chain are the fingerprints of the certificates that came with it there.
	Chain []string  `json:"chain,omitempty"`
	Seen  time.Time `json:"seen"`
}

// seenAt reports whether a place's address begins so.
func (f *Foreign) seenAt(prefix string) bool {
	return slices.ContainsFunc(f.Places, func(p Place) bool { return strings.HasPrefix(p.Address, prefix) })
}

// Sighting is certificates that were seen together.
type Sighting struct {
	// Data is one certificate or more, each in DER, PEM, or a PKCS #7 bundle of
	// certificates (RFC 2315 section 9, degenerate) in either form. The first
	// is the one that was found, the others came with it. PEM blocks of other
	// types are passed over; a private key is never kept.
	Data []byte
	// Address and Name say where; both may be empty. They are Place's.
	Address, Name string
}

// Registration is what Register did.
type Registration struct {
	// Entries are all certificates of the sightings, each once.
	Entries []*Entry
	// Added is how many of them were not known before.
	Added int
	// Own is how many of them are not foreign: authorities here issued them.
	Own int
}

// Register takes certificates from elsewhere into the inventory of the
// caller's realm. source says what brought them. A certificate that is there
// already keeps its first day and gains a place; one that an authority of the
// realm has issued is registered as well when it was seen somewhere, so that
// it is known where it is in use.
func (s *Service) Register(ctx context.Context, call *key.Call, source string, sightings []Sighting) (*Registration, error) {
	return guard.Do(ctx, s.guard, call, key.RegisterCertificate, func(v *guard.Visit) (*Registration, error) {
		realm := call.Caller.Principal.Realm
		err := v.Authorize(guard.Target{Action: key.RegisterCertificate, Resource: key.Resource{Realm: realm, Region: call.Region}})
		if err != nil {
			return nil, err
		}
		if source == "" {
			source = "registered"
		}
		list, err := gather(source, sightings, s.now().UTC().Truncate(time.Second))
		if err != nil {
			return nil, err
		}
		v.Note("source", source)
		v.NoteInt("certificates", len(list))
		if call.DryRun {
			return nil, fault.Because(fault.InvalidArgument, fault.DryRun, "the call would have succeeded, had it not been a dry run")
		}
		out := &Registration{Entries: list}
		err = v.Commit(ctx, func() error {
			return s.store.Update(ctx, func(tx store.Tx) error { return s.putFound(tx, realm, out) })
		})
		return out, err
	})
}

// gather reads sightings and returns their certificates, each once.
func gather(source string, sightings []Sighting, now time.Time) ([]*Entry, error) {
	if len(source) > 100 {
		return nil, fault.New(fault.InvalidArgument, "a source has at most 100 bytes")
	}
	var list []*Entry
	byPrint := map[string]*Entry{}
	for _, sight := range sightings {
		if len(sight.Address)+len(sight.Name) > 1000 {
			return nil, fault.New(fault.InvalidArgument, "a place has at most 1000 bytes")
		}
		ders, err := bundle.Read(sight.Data)
		if err != nil {
			return nil, err
		}
		var prints []string
		for _, der := range ders {
			e, err := foreignEntry(der)
			if err != nil {
				return nil, err
			}
			known, ok := byPrint[e.Foreign.Fingerprint]
			if !ok {
				e.Foreign.Source, e.Foreign.FirstSeen, e.Foreign.LastSeen = source, now, now
				known = e
				byPrint[e.Foreign.Fingerprint] = e
				list = append(list, e)
			}
			prints = append(prints, known.Foreign.Fingerprint)
		}
		if len(list) > MaxRegister {
			return nil, fault.New(fault.LimitExceeded, "one call registers at most %d certificates", MaxRegister)
		}
		if sight.Address != "" || sight.Name != "" || len(prints) > 1 {
			leaf := byPrint[prints[0]].Foreign
			leaf.Places = addPlace(leaf.Places, Place{Address: sight.Address, Name: sight.Name, Chain: prints[1:], Seen: now})
		}
	}
	if len(list) == 0 {
		return nil, fault.Because(fault.InvalidArgument, fault.MalformedCertificate, "there is no certificate to register")
	}
	return list, nil
}

// addPlace adds a place to those known, in the stead of the same one seen
// before.
func addPlace(places []Place, p Place) []Place {
	places = slices.DeleteFunc(slices.Clone(places), func(o Place) bool { return o.Address == p.Address && o.Name == p.Name })
	places = append(places, p)
	return places[max(0, len(places)-maxPlaces):]
}

// putFound stores entries, joined with what is known of them.
func (s *Service) putFound(tx store.Tx, realm key.RealmID, out *Registration) error {
	own := s.ownAuthorities(realm)
	for _, e := range out.Entries {
		added, err := e.put(tx, realm)
		if err != nil {
			return err
		}
		if added {
			out.Added++
		}
		issued, err := issuedAs(tx, own, e)
		if err != nil {
			return err
		}
		if issued != nil {
			out.Own++
		}
	}
	return nil
}

// put stores a foreign entry, and its terms when it is a new one.
func (e *Entry) put(tx store.Tx, realm key.RealmID) (added bool, err error) {
	old, err := found(tx, realm, e.Foreign.Fingerprint)
	if err != nil {
		return false, err
	}
	if old != nil {
		e.join(old.Foreign)
	}
	row, err := e.row(realm)
	if err != nil {
		return false, err
	}
	if err := tx.Put(store.Found, row); err != nil || old != nil {
		return false, err
	}
	for _, t := range foreignTerms(realm, e) {
		if err := tx.Put(store.Terms, t); err != nil {
			return false, err
		}
	}
	return true, nil
}

// join adds what was known before.
func (e *Entry) join(old *Foreign) {
	places := old.Places
	for _, p := range e.Foreign.Places {
		places = addPlace(places, p)
	}
	e.Foreign.Places, e.Foreign.FirstSeen, e.Foreign.Source = places, old.FirstSeen, old.Source
}

// ownAuthorities returns the ids of a realm's authorities in order.
func (s *Service) ownAuthorities(realm key.RealmID) []string {
	var ids []string
	for _, a := range s.authorities.All() {
		if a.Realm == realm {
			ids = append(ids, a.ID)
		}
	}
	return ids
}

// issuedAs returns the certificate of an authority of the realm that a foreign
// one is, or nil.
func issuedAs(r store.Reader, authorities []string, e *Entry) (*Entry, error) {
	for _, id := range authorities {
		c, err := stored(r, ca.CertificateID(id, e.Serial))
		if err != nil {
			return nil, err
		}
		if c != nil && slices.Equal(c.DER, e.DER) {
			return c, nil
		}
	}
	return nil, nil
}

// Forget removes foreign certificates from the inventory by their
// fingerprints. One that is not there is a NotFound error, and then none is
// removed.
func (s *Service) Forget(ctx context.Context, call *key.Call, fingerprints []string) error {
	_, err := guard.Do(ctx, s.guard, call, key.ForgetCertificate, func(v *guard.Visit) (none struct{}, err error) {
		realm := call.Caller.Principal.Realm
		err = v.Authorize(guard.Target{Action: key.ForgetCertificate, Resource: key.Resource{Realm: realm, Region: call.Region}})
		if err != nil {
			return none, err
		}
		if len(fingerprints) == 0 || len(fingerprints) > MaxRegister {
			return none, fault.New(fault.InvalidArgument, "one call forgets 1 to %d certificates", MaxRegister)
		}
		v.Note("fingerprints", strings.Join(fingerprints[:min(len(fingerprints), 10)], " "))
		v.NoteInt("certificates", len(fingerprints))
		return none, v.Commit(ctx, func() error {
			return s.store.Update(ctx, func(tx store.Tx) error {
				for _, f := range fingerprints {
					if err := forget(tx, realm, f); err != nil {
						return err
					}
				}
				return nil
			})
		})
	})
	return err
}

func forget(tx store.Tx, realm key.RealmID, fingerprint string) error {
	e, err := found(tx, realm, fingerprint)
	if err != nil {
		return err
	}
	if e == nil {
		return noForeign(fingerprint)
	}
	for _, t := range foreignTerms(realm, e) {
		if err := tx.Delete(store.Terms, t.ID); err != nil && fault.KindOf(err) != fault.NotFound {
			return err
		}
	}
	return tx.Delete(store.Found, foundID(realm, e.Foreign.Fingerprint))
}

func noForeign(fingerprint string) error {
	return &fault.Error{
		Kind: fault.NotFound, Op: "inventory", Resource: term.FoundMark + "/" + fingerprint,
		Public: "no certificate with this fingerprint is registered",
	}
}

// foreignEntry reads a certificate in DER. What an inventory has is anything
// that crypto/x509 can read, however bad.
func foreignEntry(der []byte) (*Entry, error) {
	if len(der) > maxDER {
		return nil, fault.New(fault.LimitExceeded, "a certificate has at most %d bytes", maxDER)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, &fault.Error{
			Kind: fault.InvalidArgument, Reason: fault.MalformedCertificate, Op: "inventory.Register",
			Public: "a certificate cannot be read", Err: err,
		}
	}
	fingerprint := Fingerprint(der)
	e := &Entry{
		ID: term.FoundMark + "/" + fingerprint,
		Certificate: &ca.Certificate{
			Serial: cert.SerialText(c.SerialNumber), DER: der, Subject: c.Subject.String(), Names: namesOf(c),
			IssuedAt: c.NotBefore, NotBefore: c.NotBefore, NotAfter: c.NotAfter,
		},
		Foreign: &Foreign{
			Fingerprint: fingerprint, Issuer: c.Issuer.String(), CA: c.IsCA, subject: c.RawSubject,
			SelfSigned: string(c.RawIssuer) == string(c.RawSubject) && cert.CheckFrom(c, c) == nil,
		},
	}
	return e, nil
}

// Fingerprint returns the SHA-256 of a certificate in hexadecimal.
func Fingerprint(der []byte) string {
	hash := sha256.Sum256(der)
	return hex.EncodeToString(hash[:])
}

// namesOf returns a certificate's alternative names as text.
func namesOf(c *x509.Certificate) []string {
	names := slices.Clone(c.DNSNames)
	for _, ip := range c.IPAddresses {
		names = append(names, ip.String())
	}
	for _, u := range c.URIs {
		names = append(names, u.String())
	}
	return append(names, c.EmailAddresses...)
}
