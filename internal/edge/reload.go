package edge

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"reflect"

	"github.com/holdfast-kms/holdfast/internal/edge/certificate"
	"github.com/holdfast-kms/holdfast/internal/edge/setting"
)

// take puts the sites of a configuration in the place of those that there are.
// Certificates that both have stay, with their staples.
func (e *Edge) take(ctx context.Context, c *setting.Config) error {
	next := &table{exact: map[string]*site{}, wildcards: map[string]*site{}}
	wanted := map[certificate.Setting]*kept{}
	fail := func(err error) error {
		e.release(wanted, e.kept)
		return err
	}
	f := &forwarder{c.Trusted}
	for i := range c.Sites {
		s, err := e.site(ctx, c, &c.Sites[i], wanted)
		if err != nil {
			return fail(fmt.Errorf("sites[%d]: %w", i, err))
		}
		s.handler = e.proxy(s, f)
		next.add(s, &c.Sites[i])
	}
	e.mu.Lock()
	before := e.kept
	e.kept = wanted
	e.mu.Unlock()
	e.current.Store(c)
	old := e.table.Swap(next)
	e.release(before, wanted)
	if old != nil {
		for _, s := range old.sites {
			s.upstreams.close()
		}
	}
	return nil
}

// release ends the goroutines of the certificates that are in all and not in
// still.
func (e *Edge) release(all, still map[certificate.Setting]*kept) {
	for c, k := range all {
		if still[c] != k {
			k.cancel()
		}
	}
}

// site makes a site.
func (e *Edge) site(ctx context.Context, c *setting.Config, s *setting.Site, wanted map[certificate.Setting]*kept) (*site, error) {
	out := &site{name: "default"}
	if len(s.Names) > 0 {
		out.name = s.Names[0]
	}
	var err error
	if out.upstreams, err = newUpstreams(s); err != nil {
		return nil, err
	}
	for _, setting := range s.Certificates {
		k := wanted[setting]
		if k == nil {
			k = e.kept[setting]
		}
		if k == nil {
			if k, err = e.keep(ctx, c, setting); err != nil {
				return nil, err
			}
		}
		wanted[setting] = k
		out.certificates = append(out.certificates, k.Kept)
	}
	return out, nil
}

// keep begins to keep a certificate. A file that cannot be read is an error; a
// managed certificate is waited for.
func (e *Edge) keep(ctx context.Context, c *setting.Config, setting certificate.Setting) (*kept, error) {
	out := certificate.New(setting, &certificate.Options{Keys: e.Keys, Managed: e.Managed, Responder: e.responder, Log: e.log, Poll: c.Poll})
	if err := out.Look(ctx, true); err != nil {
		if setting.File != "" && !errors.Is(err, certificate.ErrUnstapled) { // a staple may come by itself
			return nil, fmt.Errorf("certificate %s: %w", out.Name(), err)
		}
		e.log.ErrorContext(ctx, "a certificate is not there yet", slog.String("certificate", out.Name()), slog.Any("cause", err))
	}
	keeping, cancel := context.WithCancel(e.ctx)
	e.keepers.Go(func() { out.Run(keeping) })
	return &kept{out, cancel}, nil
}

// reload looks at everything now, and takes another configuration. What cannot
// be used changes nothing.
func (e *Edge) reload(ctx context.Context) {
	if err := e.journal.reopen(); err != nil {
		e.log.ErrorContext(ctx, "the access log stays where it was", slog.Any("cause", err))
	}
	next, err := e.Again()
	if err == nil {
		e.keepFixed(ctx, next)
		err = e.take(ctx, next)
	}
	if err != nil {
		e.log.ErrorContext(ctx, "the configuration stays as it was", slog.Any("cause", err))
	}
	for _, c := range e.certificates() {
		c.Hurry()
	}
}

// keepFixed puts what cannot change while the edge runs into the next
// configuration, and says so where somebody changed it.
func (e *Edge) keepFixed(ctx context.Context, next *setting.Config) {
	now := e.config()
	for name, differs := range map[string]bool{
		"listen":      !reflect.DeepEqual(now.Listen, next.Listen),
		"metrics":     now.Metrics != next.Metrics,
		"key_servers": !reflect.DeepEqual(now.KeyServers, next.KeyServers),
		"holdfast":    now.Holdfast != next.Holdfast,
		"tls":         now.TLS != next.TLS,
		"access_log":  now.AccessLog != next.AccessLog,
		"log":         now.Log != next.Log,
		"poll":        now.Poll != next.Poll,
		"limits":      now.Limits != next.Limits,
	} {
		if differs {
			e.log.WarnContext(ctx, "a setting changes only with another start", slog.String("setting", name))
		}
	}
	next.Listen, next.Metrics, next.KeyServers, next.Holdfast = now.Listen, now.Metrics, now.KeyServers, now.Holdfast
	next.TLS, next.AccessLog, next.Log, next.Limits, next.Poll = now.TLS, now.AccessLog, now.Log, now.Limits, now.Poll
}

// certificates returns all that are kept, in no order.
func (e *Edge) certificates() []*certificate.Kept {
	e.mu.Lock()
	defer e.mu.Unlock()
	all := make([]*certificate.Kept, 0, len(e.kept))
	for _, k := range e.kept {
		all = append(all, k.Kept)
	}
	return all
}

// upstreams returns those of all sites; one that several have counts once.
func (e *Edge) upstreams() []*upstream {
	var all []*upstream
	seen := map[string]bool{}
	for _, s := range e.table.Load().sites {
		for _, u := range s.upstreams.list {
			if text := u.url.String(); !seen[text] {
				seen[text] = true
				all = append(all, u)
			}
		}
	}
	return all
}
