package modules

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"strconv"

	"github.com/holdfast-kms/holdfast/sshkey"
)

// firstPassed is the first file descriptor that systemd passes
// (sd_listen_fds(3)).
const firstPassed = 3

// listen returns the socket that systemd has made for this process, or makes
// the one of the configuration.
func (c *Config) listen(ctx context.Context, getenv func(string) string) (net.Listener, error) {
	if getenv("LISTEN_PID") == strconv.Itoa(os.Getpid()) && getenv("LISTEN_FDS") != "" {
		c.Socket = "" // it is systemd's
		return passed(getenv("LISTEN_FDS"))
	}
	uid, gid, err := c.owner()
	if err != nil {
		return nil, err
	}
	// Its folder lets others through: the socket's own mode says who may connect.
	if err := os.MkdirAll(filepath.Dir(c.Socket), 0o755); err != nil { //nolint:gosec // see above
		return nil, err
	}
	l, err := sshkey.Listen(ctx, c.Socket)
	if err != nil {
		return nil, err
	}
	// It is its owner's alone until here.
	if uid >= 0 || gid >= 0 {
		err = os.Lchown(c.Socket, uid, gid)
	}
	if err == nil {
		err = os.Chmod(c.Socket, os.FileMode(c.Mode))
	}
	if err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

// where is the path of the socket that listen has returned.
func (c *Config) where(l net.Listener) string {
	if c.Socket == "" {
		return l.Addr().String()
	}
	return c.Socket
}

// passed takes over systemd's socket.
func passed(count string) (net.Listener, error) {
	if count != "1" {
		return nil, fmt.Errorf("systemd passes %s sockets, and the agent serves one", count)
	}
	f := os.NewFile(firstPassed, "LISTEN_FD_3")
	l, err := net.FileListener(f)
	if err := errors.Join(err, f.Close()); err != nil {
		return nil, fmt.Errorf("the socket of systemd: %w", err)
	}
	if l.Addr().Network() != "unix" {
		return nil, errors.Join(fmt.Errorf("the socket of systemd is of the kind %s, and not unix", l.Addr().Network()), l.Close())
	}
	return l, nil
}

// owner returns the ids of the socket's owner and group, -1 for the agent's own.
func (c *Config) owner() (uid, gid int, err error) {
	uid, gid = -1, -1
	if c.Owner != "" {
		if uid, err = userID(c.Owner); err != nil {
			return 0, 0, err
		}
	}
	if c.Group != "" {
		if gid, err = strconv.Atoi(c.Group); err != nil {
			g, err := user.LookupGroup(c.Group)
			if err != nil {
				return 0, 0, err
			}
			gid, _ = strconv.Atoi(g.Gid) // a number on every Unix
		}
	}
	return uid, gid, nil
}

// userID returns the number of a user.
func userID(name string) (int, error) {
	if n, err := strconv.ParseUint(name, 10, 31); err == nil {
		return int(n), nil
	}
	u, err := user.Lookup(name)
	if err != nil {
		return 0, err
	}
	n, _ := strconv.Atoi(u.Uid) // a number on every Unix
	return n, nil
}

// uids returns the users who may connect, none for everybody.
func (c *Config) uids() ([]uint32, error) {
	var list []uint32
	for _, name := range c.Users {
		n, err := userID(name)
		if err != nil {
			return nil, fmt.Errorf("users: %w", err)
		}
		list = append(list, uint32(n)) //nolint:gosec // of 31 bits
	}
	return list, nil
}
