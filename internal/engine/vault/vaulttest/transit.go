package vaulttest

import (
	"crypto/rsa"
	"encoding/base64"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/transfer"
	wire "github.com/holdfast-kms/holdfast/internal/wire/vault"
)

// transit answers what is under the mount.
func (s *Server) transit(r *request, path []string) (*result, *wire.Error) {
	switch {
	case len(path) == 0:
		return nil, noPath()
	case path[0] == "keys":
		return s.administer(r, path[1:])
	case path[0] == "wrapping_key" && len(path) == 1:
		return s.wrappingKey(r)
	case r.method != http.MethodPost:
		return nil, noOperation()
	case path[0] == "random" && len(path) == 1:
		return randomBytes(r)
	case len(path) == 2 || len(path) == 3:
		return s.use(r, path)
	}
	return nil, noPath()
}

// administer answers what is under keys.
func (s *Server) administer(r *request, path []string) (*result, *wire.Error) {
	switch len(path) {
	case 0:
		return s.list(r)
	case 1:
		return s.oneKey(r, path[0])
	case 2:
	default:
		return nil, noPath()
	}
	k := s.keys[r.namespace][path[0]]
	switch verb := path[1]; {
	case verb == "soft-delete" && !s.flavour.hashicorp && r.method == http.MethodDelete:
		return softDelete(k, true)
	case verb == "soft-delete-restore" && !s.flavour.hashicorp && r.method == http.MethodPost:
		return softDelete(k, false)
	case strings.HasPrefix(verb, "soft-delete") && s.flavour.hashicorp:
		return nil, noPath()
	case r.method != http.MethodPost:
		return nil, noOperation()
	case verb == "import":
		return s.importKey(r, path[0])
	case k == nil:
		return nil, bad("%s %s could be found", wire.TextNoExistingKey, path[0])
	case verb == "config":
		return configure(r, k)
	case verb == "rotate":
		return s.rotate(k)
	}
	return nil, noPath()
}

// list answers the names, sorted. OpenBao gives them in pages.
func (s *Server) list(r *request) (*result, *wire.Error) {
	if !r.list {
		return nil, noOperation()
	}
	names := slices.Collect(maps.Keys(s.keys[r.namespace]))
	if s.wrap[r.namespace] != nil {
		names = append(names, "import/")
	}
	slices.Sort(names)
	if !s.flavour.hashicorp {
		names = slices.DeleteFunc(names, func(n string) bool { return n <= r.after })
		if r.limit > 0 {
			names = names[:min(r.limit, len(names))]
		}
	}
	if len(names) == 0 {
		return nil, &wire.Error{Status: http.StatusNotFound}
	}
	return &result{data: wire.KeyList{Keys: names}}, nil
}

func (s *Server) oneKey(r *request, name string) (*result, *wire.Error) {
	if !wire.ValidName(name) {
		return nil, noPath()
	}
	k := s.keys[r.namespace][name]
	switch r.method {
	case http.MethodPost:
		return s.create(r, name)
	case http.MethodGet:
		if k == nil {
			return nil, &wire.Error{Status: http.StatusNotFound}
		}
		return &result{data: k.shown()}, nil
	case http.MethodDelete:
		switch {
		case k == nil:
			return nil, bad("error deleting policy %s: %s", name, wire.TextDeleteNotFound)
		case !k.DeletionAllowed:
			return nil, bad("error deleting policy %s: %s", name, wire.TextNoDeletion)
		}
		delete(s.keys[r.namespace], name)
		return nil, nil
	}
	return nil, noOperation()
}

// specOf returns the spec of a type that keys here can have.
func specOf(name string, size int) (alg.Spec, wire.Type, *wire.Error) {
	t := wire.Type{Name: name, KeySize: size}
	if t.Name == "" {
		t.Name = "aes256-gcm96"
	}
	if t.Name == "hmac" && t.KeySize == 0 {
		t.KeySize = 32
	}
	spec, ok := wire.ParseType(t)
	switch {
	case !ok && t.Name == "hmac":
		return 0, t, bad("invalid key_size %d", size)
	case !ok || spec.Info().Family == alg.MLDSA:
		return 0, t, bad("%s %s", wire.TextUnknownType, name)
	}
	return spec, t, nil
}

// create makes a key, and leaves one that is there as it is.
func (s *Server) create(r *request, name string) (*result, *wire.Error) {
	var in wire.CreateRequest
	if refusal := r.decode(&in); refusal != nil {
		return nil, refusal
	}
	if in.Derived {
		return nil, bad("this server has no derived keys")
	}
	spec, t, refusal := specOf(in.Type, in.KeySize)
	if refusal != nil {
		return nil, refusal
	}
	var warnings []string
	k := s.keys[r.namespace][name]
	if k == nil {
		k = newKey(name, spec, t)
		k.Exportable, k.AllowPlaintextBackup, k.AutoRotatePeriod = in.Exportable, in.AllowPlaintextBackup, in.AutoRotatePeriod
		if err := k.rotate(s.flavour.rsa); err != nil {
			return nil, wire.Framed(http.StatusInternalServerError, err.Error())
		}
		s.keys[r.namespace][name] = k
	} else {
		warnings = []string{wire.Warning(name)}
	}
	if s.flavour.silent {
		return nil, nil
	}
	return &result{data: k.shown(), warnings: warnings}, nil
}

func configure(r *request, k *key) (*result, *wire.Error) {
	var in wire.ConfigRequest
	if refusal := r.decode(&in); refusal != nil {
		return nil, refusal
	}
	for _, f := range []struct {
		name string
		from *int
		to   *int
	}{{"decryption", in.MinDecryptionVersion, &k.MinDecryptionVersion}, {"encryption", in.MinEncryptionVersion, &k.MinEncryptionVersion}} {
		switch {
		case f.from == nil:
		case *f.from < 0:
			return nil, bad("min %s version cannot be negative", f.name)
		case *f.from > k.LatestVersion:
			return nil, bad("cannot set min %s version of %d, latest key version is %d", f.name, *f.from, k.LatestVersion)
		default:
			*f.to = *f.from
		}
	}
	if in.DeletionAllowed != nil {
		k.DeletionAllowed = *in.DeletionAllowed
	}
	return &result{data: k.shown()}, nil
}

func (s *Server) rotate(k *key) (*result, *wire.Error) {
	if k.SoftDeleted {
		return nil, bad("%s", wire.TextSoftDeleted)
	}
	if err := k.rotate(s.flavour.rsa); err != nil {
		return nil, wire.Framed(http.StatusInternalServerError, err.Error())
	}
	return &result{data: k.shown()}, nil
}

func softDelete(k *key, deleted bool) (*result, *wire.Error) {
	if k == nil {
		return nil, nil
	}
	var warnings []string
	if k.SoftDeleted == deleted && deleted {
		warnings = []string{"key was already marked as soft deleted"}
	}
	k.SoftDeleted = deleted
	return &result{data: k.shown(), warnings: warnings}, nil
}

// wrapping returns the namespace's wrapping key, which is made when it is first
// asked for.
func (s *Server) wrapping(r *request) (*key, *wire.Error) {
	k := s.wrap[r.namespace]
	if k == nil {
		k = newKey("wrapping-key", alg.RSA4096, wire.Type{Name: "rsa-4096"})
		if err := k.rotate(s.flavour.rsa); err != nil {
			return nil, wire.Framed(http.StatusInternalServerError, err.Error())
		}
		s.wrap[r.namespace] = k
	}
	return k, nil
}

func (s *Server) wrappingKey(r *request) (*result, *wire.Error) {
	if r.method != http.MethodGet {
		return nil, noOperation()
	}
	k, refusal := s.wrapping(r)
	if refusal != nil {
		return nil, refusal
	}
	return &result{data: wire.WrappingKey{PublicKey: k.versions[1].public}}, nil
}

// importKey takes a key. What is wrong is an internal error, as it is there.
func (s *Server) importKey(r *request, name string) (*result, *wire.Error) {
	var in struct {
		wire.ImportRequest
		Ciphertext string `json:"ciphertext"`
	}
	if refusal := r.decode(&in); refusal != nil {
		return nil, refusal
	}
	t := wire.Type{Name: in.Type}
	if t.Name == "hmac" {
		t.KeySize = 32
	}
	spec, t, refusal := specOf(t.Name, t.KeySize)
	if refusal != nil {
		return nil, refusal
	}
	if s.keys[r.namespace][name] != nil {
		return nil, wire.Framed(http.StatusInternalServerError, wire.TextImportExists+"; use import-version to rotate an existing imported key")
	}
	plain, err := s.unwrap(r, in.HashFunction, in.Ciphertext)
	if err != nil {
		return nil, err
	}
	if spec.Info().Family == alg.HMAC {
		if spec, t, refusal = specOf("hmac", len(plain)); refusal != nil {
			return nil, refusal
		}
	}
	k := newKey(name, spec, t)
	k.Exportable, k.Imported = in.Exportable, true
	if err := k.take(plain); err != nil {
		return nil, wire.Framed(http.StatusInternalServerError, err.Error())
	}
	s.keys[r.namespace][name] = k
	return nil, nil
}

// unwrap decrypts what is imported.
func (s *Server) unwrap(r *request, hash, text string) ([]byte, *wire.Error) {
	h, ok := wire.ParseWrapHash(strings.ToUpper(hash))
	if !ok {
		return nil, bad("unknown hash function: %s", hash)
	}
	ciphertext, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(ciphertext) <= wire.WrappingBits/8 {
		return nil, wire.Framed(http.StatusInternalServerError, "provided ciphertext is too short")
	}
	k, refusal := s.wrapping(r)
	if refusal != nil {
		return nil, refusal
	}
	private, ok := k.versions[1].private.(*rsa.PrivateKey)
	if !ok {
		return nil, wire.Framed(http.StatusInternalServerError, "error importing key: wrapping key was nil")
	}
	first, rest := ciphertext[:wire.WrappingBits/8], ciphertext[wire.WrappingBits/8:]
	ephemeral, err := rsa.DecryptOAEP(h.New(), nil, private, first, nil)
	if err != nil || len(ephemeral) != 32 {
		return nil, wire.Framed(http.StatusInternalServerError, "crypto/rsa: decryption error")
	}
	plain, err := transfer.UnwrapKWP(ephemeral, rest)
	if err != nil {
		return nil, wire.Framed(http.StatusInternalServerError, "unwrapping the key: invalid ciphertext padding")
	}
	return plain, nil
}
