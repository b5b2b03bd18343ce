package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/holdfast-kms/holdfast/internal/pkcs11"
	"github.com/holdfast-kms/holdfast/internal/pkcs11/pkcs11test"
)

// module is Debian's client of the protocol that both servers speak.
const module = "/usr/lib/x86_64-linux-gnu/pkcs11/p11-kit-client.so"

// door is a server of the p11-kit protocol with a P-256 key.
type door struct {
	way, socket, pin, label string
	slot                    string
	// procs are the processes whose time counts.
	procs []*process
}

// agent measures P-256 signatures through p11-kit's own server over SoftHSM 2,
// and through Holdfast's agent over the key server. The program that asks is the
// same, and so is the library that it loads.
func (b *bench) agent(ctx context.Context) error {
	if b.library == "" {
		return errors.New("it is measured beside SoftHSM 2, which is not here")
	}
	if _, err := os.Stat(module); err != nil {
		return fmt.Errorf("it needs the packages p11-kit and p11-kit-modules: %w", err)
	}
	theirs, err := b.theirs(ctx)
	if err != nil {
		return err
	}
	ours, err := b.ours(ctx)
	if err != nil {
		return err
	}
	both := *ours
	both.way, both.procs = "holdfast pkcs11 serve, with the key server", append(both.procs, b.server)
	for _, d := range []*door{theirs, ours} {
		if d.slot, err = b.slot(ctx, d); err != nil {
			return err
		}
	}
	both.slot = ours.slot
	for _, programs := range []int{1, 4, 16} {
		for round := range b.rounds {
			for _, d := range []*door{theirs, ours, &both} {
				if err := b.through(ctx, d, programs, round); err != nil {
					return fmt.Errorf("%s: %w", d.way, err)
				}
			}
		}
	}
	return nil
}

// theirs starts p11-kit's server over SoftHSM 2.
func (b *bench) theirs(ctx context.Context) (*door, error) {
	d := &door{way: "p11-kit server over SoftHSM 2", socket: b.path("p11-kit"), pin: pkcs11test.PIN, label: "bench"}
	b.env["SOFTHSM2_CONF"] = b.path("softhsm2.conf")
	out, err := b.command(ctx, "pkcs11-tool", "--module", b.library, "--token-label", pkcs11test.Label, "--login", "--pin", d.pin,
		"--keypairgen", "--key-type", "EC:prime256v1", "--label", d.label, "--id", "77").Output()
	if err != nil {
		return nil, fmt.Errorf("making a key in SoftHSM 2: %w: %s", err, out)
	}
	p, err := b.launch(b.command(ctx, "p11-kit", "server", "-f", "-n", d.socket, "--provider", b.library, "pkcs11:token="+url.PathEscape(pkcs11test.Label)), "p11-kit", false)
	d.procs = []*process{p}
	return d, errors.Join(err, awaitFile(ctx, d.socket))
}

// ours starts Holdfast's agent.
func (b *bench) ours(ctx context.Context) (*door, error) {
	d := &door{
		way: "holdfast pkcs11 serve", socket: b.path("agent"), label: b.keys[0].alias,
		pin: b.env["HOLDFAST_ACCESS_KEY_ID"] + ":" + b.env["HOLDFAST_SECRET_ACCESS_KEY"],
	}
	cmd := b.command(ctx, b.holdfast, "pkcs11", "serve", "--socket", d.socket, "--keyless-addr", b.env["HOLDFAST_KEYLESS_ADDR"])
	p, err := b.launch(cmd, "agent", true)
	d.procs = []*process{p}
	return d, err
}

// awaitFile waits until a socket is there.
func awaitFile(ctx context.Context, path string) error {
	for range 100 {
		if _, err := os.Stat(path); err == nil {
			return nil
		}
		select {
		case <-time.After(50 * time.Millisecond):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return fmt.Errorf("%s does not appear", path)
}

// client returns a command that uses a door.
func (b *bench) client(ctx context.Context, d *door, program string, args ...string) *exec.Cmd {
	cmd := b.command(ctx, program, args...)
	cmd.Env = append(cmd.Env, "P11_KIT_SERVER_ADDRESS=unix:path="+d.socket)
	return cmd
}

// slotLine is how pkcs11-tool shows a slot with a token.
var slotLine = regexp.MustCompile(`(?m)^Slot \d+ \((0x[0-9a-f]+)\)`)

// slot returns the slot of a door's token.
func (b *bench) slot(ctx context.Context, d *door) (string, error) {
	out, err := b.client(ctx, d, "pkcs11-tool", "--module", module, "-L").Output()
	if err != nil {
		return "", err
	}
	m := slotLine.FindSubmatch(out)
	if m == nil {
		return "", fmt.Errorf("no slot in %s", out)
	}
	return string(m[1]), nil
}

// settle is how long programs sign before and after the time that counts, apart
// the time between their starts.
const (
	settle = 300 * time.Millisecond
	apart  = 50 * time.Millisecond
)

// through measures a number of programs that sign at the same time.
func (b *bench) through(ctx context.Context, d *door, programs, round int) error {
	length := b.duration + 2*settle + time.Duration(programs)*apart
	args := []string{
		module, d.slot, d.pin, d.label, strconv.FormatUint(uint64(pkcs11.MechECDSA), 10), "32", "1", fmt.Sprint(length.Seconds()),
	}
	var wg sync.WaitGroup
	outs, errs := make([]string, programs), make([]error, programs)
	for i := range programs {
		// Programs that log in at the same moment get in the way of each other in
		// SoftHSM 2.
		time.Sleep(apart)
		wg.Go(func() {
			out, err := b.client(ctx, d, b.direct, args...).Output()
			outs[i], errs[i] = string(out), err
		})
	}
	time.Sleep(settle)
	began, before := time.Now(), d.cpu()
	time.Sleep(b.duration)
	used, took := d.cpu()-before, time.Since(began)
	wg.Wait()
	r := row{Part: "agent", Key: "P-256", Way: fmt.Sprintf("%s, programs: %d", d.way, programs), Round: round}
	for i, out := range outs {
		if errs[i] != nil {
			return errs[i]
		}
		var n, seconds, client float64
		if _, err := fmt.Sscan(strings.TrimSpace(out), &n, &seconds, &client); err != nil {
			return err
		}
		r.Rate += n / seconds
	}
	r.CPU = float64(used.Microseconds()) / (r.Rate * took.Seconds())
	return b.out.Encode(r)
}

// cpu returns the processor time of all that counts.
func (d *door) cpu() time.Duration {
	var sum time.Duration
	for _, p := range d.procs {
		sum += p.cpu()
	}
	return sum
}
