// Package discovery looks for certificates where they are in use: at TLS
// servers, and in files. It runs where the command runs and not in the
// server, which so reaches no address that a caller names; what it finds is
// registered over the API.
//
// Start with Servers and Files. Targets reads a list of servers.
package discovery

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// Finding is what was found at one place: certificates, or why there are none.
type Finding struct {
	// Address is "host:port", or a file's path.
	Address string
	// Name is the server name that was asked for, "" for none and for a file.
	Name string
	// Chain are certificates in DER in the order in which they stood there, the
	// first one's issuers behind it.
	Chain [][]byte
	// Protocol is the TLS version that was agreed on, such as "TLS 1.3"; "" for
	// a file, and where the handshake failed after the certificates had come.
	Protocol string
	// Err says why there is no certificate. What has one has no error.
	Err error
}

// Options bound a search. The zero value has the defaults.
type Options struct {
	// Parallel is how many servers are asked at one time. Default: 32.
	Parallel int
	// Timeout bounds the time for one server. Default: 5 s.
	Timeout time.Duration
}

func (o Options) withDefaults() Options {
	if o.Parallel <= 0 {
		o.Parallel = 32
	}
	if o.Timeout <= 0 {
		o.Timeout = 5 * time.Second
	}
	return o
}

// Target is a server to ask.
type Target struct {
	// Address is "host:port".
	Address string
	// Name is the server name to ask for (SNI, RFC 6066 section 3), "" for the
	// host of the address, if that is a name.
	Name string
}

// MaxTargets is the largest list of servers.
const MaxTargets = 1 << 17

// Targets reads a list of servers, one a line: a host or an address, with or
// without a port (443), or a range of addresses ("10.0.0.0/24:443"), and behind
// it, after a space, the server name to ask for, if that is another. "#" begins
// a comment. A wrong line is an error that names it.
func Targets(list io.Reader) ([]Target, error) {
	var targets []Target
	lines := bufio.NewScanner(list)
	for n := 1; lines.Scan(); n++ {
		text, _, _ := strings.Cut(lines.Text(), "#")
		words := strings.Fields(text)
		if len(words) == 0 {
			continue
		}
		if len(words) > 2 {
			return nil, fmt.Errorf("line %d: an address and a name are all that a line has", n)
		}
		addresses, err := addresses(words[0])
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
		for _, a := range addresses {
			t := Target{Address: a}
			if len(words) == 2 {
				t.Name = words[1]
			}
			targets = append(targets, t)
		}
		if len(targets) > MaxTargets {
			return nil, fmt.Errorf("line %d: the list has more than %d servers", n, MaxTargets)
		}
	}
	return targets, lines.Err()
}

// defaultPort is the port of what has none: HTTPS.
const defaultPort = "443"

// addresses returns the addresses that one word names.
func addresses(word string) ([]string, error) {
	host, port, err := net.SplitHostPort(word)
	if err != nil { // no port
		host, port = strings.Trim(word, "[]"), defaultPort
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return nil, fmt.Errorf("%q has no port from 1 to 65535", word)
	}
	if host == "" {
		return nil, fmt.Errorf("%q has no host", word)
	}
	if !strings.Contains(host, "/") {
		if strings.ContainsAny(host, "[]") || strings.Contains(host, ":") && !isAddress(host) {
			return nil, fmt.Errorf("%q is no host and port", word)
		}
		return []string{net.JoinHostPort(host, port)}, nil
	}
	prefix, err := netip.ParsePrefix(host)
	if err != nil {
		return nil, fmt.Errorf("%q is no range of addresses", host)
	}
	if prefix.Addr().BitLen()-prefix.Bits() > 16 {
		return nil, fmt.Errorf("%q has more than 65536 addresses", host)
	}
	var list []string
	for a := prefix.Masked().Addr(); prefix.Contains(a); a = a.Next() {
		list = append(list, net.JoinHostPort(a.String(), port))
	}
	return list, nil
}

func isAddress(host string) bool {
	_, err := netip.ParseAddr(host)
	return err == nil
}
