package courier

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"syscall"
)

// special are the blocks that are not the public internet's, or that carry
// addresses of other blocks inside: IANA's registries of special-purpose
// addresses (RFC 6890 and its updates), and the multicast ranges.
var special = prefixes(
	"0.0.0.0/8",       // this network, RFC 791
	"10.0.0.0/8",      // private, RFC 1918
	"100.64.0.0/10",   // shared, RFC 6598
	"127.0.0.0/8",     // loopback, RFC 1122
	"169.254.0.0/16",  // link-local, RFC 3927: metadata services of clouds
	"172.16.0.0/12",   // private, RFC 1918
	"192.0.0.0/24",    // protocol assignments, RFC 6890
	"192.0.2.0/24",    // documentation, RFC 5737
	"192.88.99.0/24",  // 6to4 relays, RFC 7526
	"192.168.0.0/16",  // private, RFC 1918
	"198.18.0.0/15",   // benchmarks, RFC 2544
	"198.51.100.0/24", // documentation
	"203.0.113.0/24",  // documentation
	"224.0.0.0/4",     // multicast
	"240.0.0.0/4",     // reserved, and broadcast
	"::/96",           // unspecified, loopback, and IPv4-compatible addresses
	"64:ff9b::/96",    // IPv4 in IPv6, RFC 6052
	"64:ff9b:1::/48",  // the same, local, RFC 8215
	"100::/64",        // discarded, RFC 6666
	"2001::/23",       // protocol assignments, Teredo among them
	"2001:db8::/32",   // documentation
	"2002::/16",       // 6to4: IPv4 inside
	"3fff::/20",       // documentation, RFC 9637
	"5f00::/16",       // segment routing, RFC 9602
	"fc00::/7",        // unique local, RFC 4193
	"fe80::/10",       // link-local
	"fec0::/10",       // site-local, RFC 3879
	"ff00::/8",        // multicast
)

func prefixes(texts ...string) (list []netip.Prefix) {
	for _, text := range texts {
		list = append(list, netip.MustParsePrefix(text))
	}
	return list
}

// Egress says where the server may send what others told it to send: to the
// public internet, and to the networks allowed beside it. What is checked is
// the address that a connection is made to, not the name that led there.
type Egress struct {
	// Allow are networks that are not the public internet's and may be reached
	// all the same.
	Allow []netip.Prefix
}

// Allowed reports whether an address may be reached.
func (e *Egress) Allowed(a netip.Addr) bool {
	a = a.Unmap().WithZone("")
	has := func(p netip.Prefix) bool { return p.Contains(a) }
	return a.IsValid() && (slices.ContainsFunc(e.Allow, has) || !slices.ContainsFunc(special, has))
}

// control is a net.Dialer's: it is called with the resolved address, before a
// packet goes there.
func (e *Egress) control(_, address string, _ syscall.RawConn) error {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return err
	}
	a, err := netip.ParseAddr(host)
	if err != nil {
		return err
	}
	if !e.Allowed(a) {
		return &Failure{Down: true, Err: fmt.Errorf("%s is not an address of the public internet, and egress.allow does not have it", a)}
	}
	return nil
}
