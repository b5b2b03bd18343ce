package sigv4

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// canonicalNames spells header names as net/http keeps them, for those that
// clients sign on every request; http.CanonicalHeaderKey allocates.
var canonicalNames = map[string]string{
	"accept-encoding": "Accept-Encoding", "amz-sdk-invocation-id": "Amz-Sdk-Invocation-Id",
	"amz-sdk-request": "Amz-Sdk-Request", "content-length": "Content-Length", "content-type": "Content-Type",
	"user-agent": "User-Agent", "x-amz-content-sha256": HeaderSHA256, "x-amz-date": HeaderDate,
	"x-amz-security-token": HeaderToken, "x-amz-target": HeaderTarget,
	"x-amz-user-agent": "X-Amz-User-Agent",
}

// AppendCanonicalRequest appends the canonical form of a request with a body
// of the given SHA-256. signed are the names of Authorization.SignedHeaders.
func AppendCanonicalRequest(dst []byte, r *http.Request, signed string, payload *[sha256.Size]byte) []byte {
	dst = append(dst, r.Method...)
	dst = append(dst, '\n')
	dst = appendPath(dst, r.URL.EscapedPath())
	dst = append(dst, '\n')
	dst = appendQuery(dst, r.URL.RawQuery)
	dst = append(dst, '\n')
	for name := range strings.SplitSeq(signed, ";") {
		dst = append(dst, name...)
		dst = append(dst, ':')
		dst = appendHeader(dst, r, name)
		dst = append(dst, '\n')
	}
	dst = append(dst, '\n')
	dst = append(dst, signed...)
	dst = append(dst, '\n')
	return hex.AppendEncode(dst, payload[:])
}

// headerValues returns the values of a header by its lower-case name; that
// of Content-Length is where net/http keeps it.
func headerValues(r *http.Request, name string) []string {
	canonical, ok := canonicalNames[name]
	if !ok {
		canonical = http.CanonicalHeaderKey(name)
	}
	values := r.Header[canonical]
	if len(values) == 0 && name == "content-length" && r.ContentLength >= 0 {
		return []string{strconv.FormatInt(r.ContentLength, 10)}
	}
	return values
}

// appendHeader appends the values of a header joined by commas, each trimmed
// and with runs of spaces made one.
func appendHeader(dst []byte, r *http.Request, name string) []byte {
	if name == "host" {
		if r.Host == "" {
			return append(dst, r.URL.Host...) // a request that a client is about to send
		}
		return append(dst, r.Host...)
	}
	for i, value := range headerValues(r, name) {
		if i > 0 {
			dst = append(dst, ',')
		}
		value = strings.Trim(value, " \t")
		for j := range len(value) {
			if value[j] != ' ' || value[j-1] != ' ' {
				dst = append(dst, value[j])
			}
		}
	}
	return dst
}

// appendPath appends the canonical URI of a path as it was sent: dot segments
// and repeated slashes removed (RFC 3986 section 5.2.4), then escaped once
// more, as every service but S3 does.
func appendPath(dst []byte, path string) []byte {
	if path == "" || path == "/" {
		return append(dst, '/')
	}
	var kept []string
	for segment := range strings.SplitSeq(path, "/") {
		switch segment {
		case "", ".":
		case "..":
			kept = kept[:max(0, len(kept)-1)]
		default:
			kept = append(kept, segment)
		}
	}
	for _, segment := range kept {
		dst = append(dst, '/')
		dst = appendEscaped(dst, segment)
	}
	if last := path[strings.LastIndexByte(path, '/')+1:]; len(kept) == 0 || last == "" || last == "." || last == ".." {
		dst = append(dst, '/')
	}
	return dst
}

// appendQuery appends the canonical query string: parameters unescaped,
// escaped in the one canonical way, and sorted by name, then value.
func appendQuery(dst []byte, query string) []byte {
	if query == "" {
		return dst
	}
	var pairs [][2]string
	for pair := range strings.SplitSeq(query, "&") {
		if pair == "" {
			continue
		}
		name, value, _ := strings.Cut(pair, "=")
		pairs = append(pairs, [2]string{
			string(appendEscaped(nil, unescape(name))), string(appendEscaped(nil, unescape(value))),
		})
	}
	slices.SortFunc(pairs, func(a, b [2]string) int {
		if c := strings.Compare(a[0], b[0]); c != 0 {
			return c
		}
		return strings.Compare(a[1], b[1])
	})
	for i, pair := range pairs {
		if i > 0 {
			dst = append(dst, '&')
		}
		dst = append(dst, pair[0]...)
		dst = append(dst, '=')
		dst = append(dst, pair[1]...)
	}
	return dst
}

// appendEscaped percent-encodes all but RFC 3986's unreserved characters.
func appendEscaped(dst []byte, s string) []byte {
	const digits = "0123456789ABCDEF"
	for i := range len(s) {
		if c := s[i]; isAlphanumeric(c) || c == '-' || c == '.' || c == '_' || c == '~' {
			dst = append(dst, c)
		} else {
			dst = append(dst, '%', digits[c>>4], digits[c&15])
		}
	}
	return dst
}

// unescape undoes percent-encoding and '+'. What is no escape stays as it is,
// so that every query has one canonical form.
func unescape(s string) string {
	if !strings.ContainsAny(s, "%+") {
		return s
	}
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) {
			if b, err := hex.DecodeString(s[i+1 : i+3]); err == nil {
				out, i = append(out, b[0]), i+2
				continue
			}
		}
		if s[i] == '+' {
			out = append(out, ' ')
		} else {
			out = append(out, s[i])
		}
	}
	return string(out)
}

// Unsigned returns the lower-case name of a header of the request that must
// be signed and is not, or of one that is signed and missing; "" when all is
// well. Signed must be Host, Content-Type, and every X-Amz- header.
func (a *Authorization) Unsigned(r *http.Request) string {
	for name := range r.Header {
		if (name == "Content-Type" || strings.HasPrefix(name, "X-Amz-")) && !a.signs(name) {
			return strings.ToLower(name)
		}
	}
	for name := range strings.SplitSeq(a.SignedHeaders, ";") {
		if name != "host" && len(headerValues(r, name)) == 0 {
			return name
		}
	}
	return ""
}

// signs reports whether the header is among the signed ones. The name may be
// in any case: all of it is ASCII.
func (a *Authorization) signs(name string) bool {
	for signed := range strings.SplitSeq(a.SignedHeaders, ";") {
		if len(signed) == len(name) && strings.EqualFold(signed, name) {
			return true
		}
	}
	return false
}

// PayloadMatches reports whether X-Amz-Content-Sha256, where it was sent,
// is the hash of the body. UNSIGNED-PAYLOAD is not: only S3 has that.
func PayloadMatches(r *http.Request, payload *[sha256.Size]byte) bool {
	values := r.Header[HeaderSHA256]
	if len(values) == 0 {
		return true
	}
	var want [2 * sha256.Size]byte
	hex.Encode(want[:], payload[:])
	return len(values) == 1 && values[0] == string(want[:])
}

// signedNames returns the names that a client signs: the host, and all
// headers that do not change on their way.
func signedNames(h http.Header) string {
	names := []string{"host"}
	for name := range h {
		switch name {
		case "Authorization", "User-Agent", "Expect", "Connection", "Transfer-Encoding", "X-Amzn-Trace-Id", "Accept-Encoding":
		default:
			names = append(names, strings.ToLower(name))
		}
	}
	slices.Sort(names)
	return strings.Join(names, ";")
}
