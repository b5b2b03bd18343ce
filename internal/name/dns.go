package name

import (
	"net/netip"
	"net/url"
	"strings"

	"golang.org/x/net/idna"

	"github.com/holdfast-kms/holdfast/internal/fault"
)

// Limits of single names in bytes.
const (
	maxDNSName = 253 // RFC 1034 section 3.1, less the root's dot
	maxLabel   = 63
	maxURI     = 2048
	maxEmail   = 254 // RFC 5321 section 4.5.3.1.3, less the angle brackets
	maxLocal   = 64  // RFC 5321 section 4.5.3.1.1
)

// CheckDNS refuses what is not a host name in the preferred syntax (RFC 5280
// section 4.2.1.6, RFC 1034 section 3.5 as RFC 1123 section 2.1 changed it),
// with internationalised labels in their A-form (RFC 5890 section 2.3.2.1)
// and none that looks like another one. A wildcard, where it may be one, is a
// whole leftmost label, and needs two labels after it: clients refuse one that
// would cover a top-level domain. The error is InvalidArgument.
func CheckDNS(name string, wildcard bool) error {
	if why := faultOfDNS(name, wildcard); why != "" {
		return fault.New(fault.InvalidArgument, "%q is no DNS name for a certificate: %s", name, why)
	}
	return nil
}

// faultOfDNS returns what is wrong with a DNS name, "" for nothing.
func faultOfDNS(name string, wildcard bool) string {
	if name == "" || len(name) > maxDNSName {
		return "it is empty or longer than 253 bytes"
	}
	if wildcard && strings.HasPrefix(name, "*.") {
		if name = name[2:]; !strings.Contains(name, ".") {
			return "a wildcard needs two labels after it"
		}
	}
	top := name[strings.LastIndexByte(name, '.')+1:]
	for label := range strings.SplitSeq(name, ".") {
		if why := faultOfLabel(label, top); why != "" {
			return why
		}
	}
	if strings.Trim(top, "0123456789") == "" {
		return "its last label is a number, as of an IP address"
	}
	return ""
}

func faultOfLabel(label, top string) string {
	switch {
	case label == "" || len(label) > maxLabel:
		return "a label is empty or longer than 63 bytes"
	case strings.Trim(label, "abcdefghijklmnopqrstuvwxyz0123456789-") != "":
		return "a label has something else than letters, digits and hyphens; other letters are written as A-labels (xn--…), and a wildcard is the whole first label"
	case label[0] == '-' || label[len(label)-1] == '-':
		return "a label begins or ends with a hyphen"
	case len(label) > 3 && label[2:4] == "--":
		return faultOfALabel(label, top)
	}
	return ""
}

// faultOfALabel judges an A-label: it stands for Unicode text and is the way
// to write that text (RFC 5891 section 5.4), and the text does not pass for
// another one. A whole label that looks Latin is lawful below a top-level
// domain that is written in other letters itself.
func faultOfALabel(label, top string) string {
	rules := labelRules()
	text, err := rules.ToUnicode(label)
	if err != nil || text == label {
		return "a label looks like an A-label and is none"
	}
	if back, err := rules.ToASCII(text); err != nil || back != label {
		return "a label looks like an A-label and is none"
	}
	if word, ok := mixedScripts(text); !ok {
		return "a label has a word of letters of several scripts, which looks like another one: " + word
	}
	if looksLatin(text) && !strings.HasPrefix(top, "xn--") {
		return "a label looks like another one in Latin letters: " + text
	}
	return ""
}

func labelRules() *idna.Profile {
	return idna.New(idna.ValidateLabels(true), idna.StrictDomainName(true), idna.BidiRule(), idna.CheckJoiners(true))
}

// Host returns the host name, in its A-form, or the address for which a
// program that reads common names could take a text. ok is false for a text
// that is neither.
func Host(text string) (host string, addr netip.Addr, ok bool) {
	if addr, err := netip.ParseAddr(text); err == nil {
		return "", addr.Unmap(), true
	}
	host = strings.ToLower(strings.TrimSuffix(text, "."))
	if !strings.Contains(host, ".") {
		return "", netip.Addr{}, false
	}
	if !isASCII(host) {
		ascii, err := idna.Lookup.ToASCII(host)
		if err != nil {
			return "", netip.Addr{}, false
		}
		host = ascii
	}
	return host, netip.Addr{}, faultOfDNS(host, true) == ""
}

// checkURI refuses what is not an absolute URI with a scheme and, where it
// has an authority, a host (RFC 5280 section 4.2.1.6). A SPIFFE ID has rules
// of its own.
func checkURI(raw string) error {
	bad := func(why string) error {
		return fault.New(fault.InvalidArgument, "%q is no URI for a certificate: %s", raw, why)
	}
	if len(raw) > maxURI {
		return fault.New(fault.InvalidArgument, "a URI is longer than %d bytes", maxURI)
	}
	if strings.ContainsFunc(raw, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return bad("it has something else than printable ASCII")
	}
	if strings.HasPrefix(raw, spiffeScheme) {
		if _, _, why := splitSPIFFE(raw); why != "" {
			return bad(why)
		}
		return nil
	}
	u, err := url.Parse(raw)
	switch {
	case err != nil || !u.IsAbs():
		return bad("it has no scheme, or cannot be parsed")
	case u.User != nil:
		return bad("it holds a user name or password")
	case u.String() != raw:
		return bad("it is not in its normal form, which is " + u.String())
	case u.Opaque != "":
		return nil // urn:…, which has no authority
	case u.Hostname() == "":
		return bad("it has no host")
	}
	if _, err := netip.ParseAddr(u.Hostname()); err == nil {
		return nil
	}
	return CheckDNS(strings.ToLower(u.Hostname()), false)
}

const spiffeScheme = "spiffe://"

// SPIFFE returns the trust domain and the path of a SPIFFE ID (SPIFFE ID
// specification section 2), and whether the text is one.
func SPIFFE(uri string) (trustDomain, path string, ok bool) {
	trustDomain, path, why := splitSPIFFE(uri)
	return trustDomain, path, why == ""
}

func splitSPIFFE(uri string) (trustDomain, path, why string) {
	rest, ok := strings.CutPrefix(uri, spiffeScheme)
	if !ok {
		return "", "", "it is no SPIFFE ID"
	}
	trustDomain, path, slash := strings.Cut(rest, "/")
	const domainLetters = "abcdefghijklmnopqrstuvwxyz0123456789.-_"
	if trustDomain == "" || len(trustDomain) > 255 || strings.Trim(trustDomain, domainLetters) != "" {
		return "", "", "a trust domain has 1 to 255 lower-case letters, digits, dots, hyphens and underscores"
	}
	if !slash {
		return trustDomain, "", ""
	}
	const pathLetters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ" + domainLetters
	for segment := range strings.SplitSeq(path, "/") {
		if segment == "" || segment == "." || segment == ".." || strings.Trim(segment, pathLetters) != "" {
			return "", "", "a segment of a SPIFFE ID's path has letters, digits, dots, hyphens and underscores, and is neither empty nor . nor .."
		}
	}
	return trustDomain, "/" + path, ""
}

// normalEmail returns a mailbox (RFC 5280 section 4.2.1.6: a Local-part, "@",
// a Domain, nothing around them) with its domain in lower case. Quoted local
// parts are refused: hardly anyone compares them right.
func normalEmail(raw string) (string, error) {
	bad := fault.New(fault.InvalidArgument, "%q is no e-mail address for a certificate", raw)
	local, domain, ok := strings.Cut(raw, "@")
	if !ok || local == "" || len(local) > maxLocal || len(raw) > maxEmail {
		return "", bad
	}
	for atom := range strings.SplitSeq(local, ".") {
		if atom == "" || strings.ContainsFunc(atom, notAtext) {
			return "", bad
		}
	}
	domain = strings.ToLower(domain)
	if faultOfDNS(domain, false) != "" {
		return "", bad
	}
	return local + "@" + domain, nil
}

// Mailbox reports whether a program could take a text for an e-mail address,
// and returns it in its usual form.
func Mailbox(text string) (address string, ok bool) {
	address, err := normalEmail(text)
	return address, err == nil
}

// notAtext reports characters outside atext (RFC 5322 section 3.2.3).
func notAtext(r rune) bool {
	letter := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
	return !letter && !strings.ContainsRune("!#$%&'*+-/=?^_`{|}~", r)
}

// normalUPN returns a user principal name (MS-ADTS section 5.1.1.1.1), a
// user, "@" and a domain, with its domain in lower case.
func normalUPN(raw string) (string, error) {
	bad := fault.New(fault.InvalidArgument, "%q is no user principal name for a certificate", raw)
	user, domain, ok := strings.Cut(raw, "@")
	if !ok || user == "" || len(raw) > maxUPN || strings.ContainsFunc(user, notInUPN) {
		return "", bad
	}
	if _, ok := mixedScripts(user); !ok {
		return "", bad
	}
	domain = strings.ToLower(domain)
	if faultOfDNS(domain, false) != "" {
		return "", bad
	}
	return user + "@" + domain, nil
}

// maxUPN is the longest user principal name in bytes.
const maxUPN = 1024

func notInUPN(r rune) bool { return unprintable(r) || strings.ContainsRune(" \"/\\[]:;|=,+*?<>", r) }
