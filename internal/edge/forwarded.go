package edge

import (
	"net"
	"net/http"
	"net/http/httputil"
	"net/netip"
	"strings"
)

// forwarder tells upstreams who asks. What a client says of itself is taken out:
// only proxies that are trusted speak for others.
type forwarder struct{ trusted []netip.Prefix }

// speaksForOthers reports whether a header is one by which proxies say who
// asks. Servers that turn "-" into "_" read both alike.
func speaksForOthers(header string) bool {
	name := strings.ToLower(strings.ReplaceAll(header, "_", "-"))
	return name == "forwarded" || name == "x-real-ip" || strings.HasPrefix(name, "x-forwarded-")
}

// trusts reports whether a request comes from a trusted proxy.
func (f *forwarder) trusts(remote netip.Addr) bool {
	for _, p := range f.trusted {
		if p.Contains(remote) {
			return true
		}
	}
	return false
}

// remoteAddr returns the address of a request's client.
func remoteAddr(r *http.Request) netip.Addr {
	a, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	return a.Addr().Unmap()
}

// rewrite makes the request that goes to an upstream.
func (f *forwarder) rewrite(p *httputil.ProxyRequest) {
	p.Out.URL.Scheme, p.Out.URL.Host = "http", p.In.Host // the upstream's are put in later
	p.Out.Host, p.Out.URL.RawQuery = p.In.Host, p.In.URL.RawQuery
	for name := range p.Out.Header {
		if speaksForOthers(name) {
			delete(p.Out.Header, name)
		}
	}
	client := remoteAddr(p.In)
	var before []string
	if f.trusts(client) {
		p.Out.Header["X-Forwarded-For"] = p.In.Header["X-Forwarded-For"]
		before = p.In.Header["Forwarded"]
	}
	p.SetXForwarded()
	p.Out.Header.Set("X-Forwarded-Proto", "https")
	own := "for=" + node(client) + ";host=" + quoted(p.In.Host) + ";proto=https"
	p.Out.Header.Set("Forwarded", strings.Join(append(before[:len(before):len(before)], own), ", "))
}

// node is an address in Forwarded (RFC 7239 section 6).
func node(a netip.Addr) string {
	switch {
	case !a.IsValid():
		return "unknown"
	case a.Is6():
		return `"[` + a.WithZone("").String() + `]"`
	}
	return a.String()
}

// quoted is a host in Forwarded: a quoted string (RFC 7230 section 3.2.6).
func quoted(host string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(host) + `"`
}

// plainHost reports whether a Host header is a name or an address, perhaps with
// a port, and nothing that upstreams may read in different ways.
func plainHost(text string) bool {
	name := text
	if h, _, err := net.SplitHostPort(text); err == nil {
		name = h
	}
	name = strings.TrimSuffix(strings.TrimPrefix(name, "["), "]")
	if name == "" || len(text) > 300 {
		return false
	}
	if _, err := netip.ParseAddr(name); err == nil {
		return true
	}
	for i := range len(name) {
		c := name[i]
		if (c|0x20 < 'a' || c|0x20 > 'z') && (c < '0' || c > '9') && c != '.' && c != '-' && c != '_' {
			return false
		}
	}
	return true
}
