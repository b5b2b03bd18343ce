package cluster

import (
	"context"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/guard"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/store"
)

// markPrefix begins the label of the key pair that marks a token as one of a
// cluster, after which comes the cluster's lineage.
const markPrefix = "holdfast/cluster/"

// CreateHSM takes a token of the pool for a cluster, in one of its zones. The
// token is marked with a key pair; that of the first one is the cluster's, and
// the request for the cluster's certificate is about it. A token that a cluster
// of the same lineage was given back with keys is taken before others; one that
// has keys of unknown origin, or of another lineage, is never taken.
func (s *Service) CreateHSM(ctx context.Context, call *key.Call, id, zone string) (*HSM, error) {
	return guard.Do(ctx, s.guard, call, key.CreateHSM, func(v *guard.Visit) (*HSM, error) {
		c, err := s.visit(ctx, v, key.CreateHSM, id, nil)
		if err != nil {
			return nil, err
		}
		z, ok := c.zone(zone)
		if !ok {
			return nil, fault.New(fault.InvalidArgument, "the cluster has no zone %q", zone)
		}
		s.taking.Lock()
		defer s.taking.Unlock()
		h, err := s.choose(ctx, c)
		if err != nil {
			return nil, err
		}
		h.ID, h.Zone, h.CreatedAt, h.State = newID(), z, s.now().UTC().Truncate(time.Millisecond), HSMCreating
		v.Note("hsm", h.ID)
		v.Note("token", h.Token)
		if _, err = s.commit(ctx, v, c, h.join); err != nil {
			return nil, err
		}
		if err := s.install(ctx, call, id, h); err != nil {
			return nil, s.giveUp(ctx, call, id, h, err)
		}
		s.changed(id)
		return h, nil
	})
}

// join is the edit that adds an HSM to its cluster.
func (h *HSM) join(tx store.Tx, c *Cluster) error {
	if len(c.HSMs) >= MaxHSMs {
		return fault.New(fault.LimitExceeded, "a cluster has at most %d HSMs", MaxHSMs)
	}
	c.HSMs = append(c.HSMs, *h)
	if tx == nil {
		return nil
	}
	return insertClaim(tx, h.Token, c.ID, h.ID)
}

// choose finds the token that suits a cluster best.
func (s *Service) choose(ctx context.Context, c *Cluster) (*HSM, error) {
	var used map[string]bool
	if err := s.store.View(ctx, func(r store.Reader) (err error) {
		used, err = taken(r)
		return err
	}); err != nil {
		return nil, err
	}
	mark, away := markPrefix+c.Lineage, ""
	var empty *HSM
	for _, token := range s.pool.Names() {
		if used[token] {
			continue
		}
		l, err := s.lookNow(ctx, token)
		held := &Contents{}
		if err == nil && !l.Blank {
			held, err = s.pool.Contents(ctx, token)
		}
		switch {
		case err != nil:
			away = "; the token " + token + " cannot be used at the moment"
		case slices.Contains(held.Marks, mark):
			return &HSM{Token: token, Serial: l.Serial}, nil
		case empty == nil && len(held.Objects) == 0 && len(held.Marks) == 0:
			empty = &HSM{Token: token, Serial: l.Serial}
		}
	}
	switch {
	case len(c.Held) > 0 && len(c.HSMs) == 0:
		return nil, fault.New(fault.Unavailable, "no free token has the keys that the cluster's last one had%s", away)
	case empty == nil:
		return nil, fault.New(fault.LimitExceeded, "no token of the pool is free and empty%s", away)
	}
	return empty, nil
}

// install makes an HSM's token ready, and the HSM active.
func (s *Service) install(ctx context.Context, call *key.Call, id string, h *HSM) error {
	defer s.forgetLook(h.Token)
	c, err := s.find(ctx, call, id)
	if err != nil {
		return err
	}
	if err := s.pool.Initialise(ctx, h.Token, "cluster "+c.ID); err != nil {
		return err
	}
	l, err := s.lookNow(ctx, h.Token) // initialising may give it another serial number
	if err != nil {
		return err
	}
	h.Serial = l.Serial
	signer, err := s.pool.Identify(ctx, h.Token, markPrefix+c.Lineage)
	if err != nil {
		return err
	}
	var request []byte
	if c.Certificate == nil && c.Request == nil {
		request, err = x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{
			Subject: pkix.Name{CommonName: "cluster " + c.ID, Organization: []string{"Holdfast"}, SerialNumber: h.Serial},
		}, signer)
		if err != nil {
			return fmt.Errorf("making the certificate request of cluster %s: %w", c.ID, err)
		}
	}
	_, err = s.alter(ctx, call, id, func(_ store.Tx, c *Cluster) error {
		stored := c.hsm(h.ID)
		if stored == nil {
			return fault.New(fault.Conflict, "the HSM was deleted while it was made")
		}
		h.State = HSMActive
		*stored = *h
		if c.Certificate == nil && c.Request == nil {
			c.Request = request
		}
		c.activate(s.now())
		return nil
	})
	return err
}

// activate notes that an HSM of a claimed cluster was logged in to.
func (c *Cluster) activate(now time.Time) {
	if c.Certificate != nil && c.ActivatedAt.IsZero() {
		c.ActivatedAt = now.UTC()
	}
}

// giveUp takes back an HSM whose token could not be made ready, and returns
// the reason.
func (s *Service) giveUp(ctx context.Context, call *key.Call, id string, h *HSM, reason error) error {
	_, err := s.alter(context.WithoutCancel(ctx), call, id, func(tx store.Tx, c *Cluster) error {
		c.drop(h.ID)
		return deleteClaim(tx, h.Token)
	})
	if err != nil { // the clock does it later
		s.log.WarnContext(ctx, "an HSM that was not made is still in its cluster", slog.String("cluster", id), slog.Any("cause", err))
	}
	if fault.KindOf(reason) == fault.Internal {
		return &fault.Error{Kind: fault.Unavailable, Public: "the token " + h.Token + " could not be made ready", Err: reason}
	}
	return reason
}

// DeleteHSM gives an HSM's token back, as it is, and makes a backup if it was
// the cluster's last one and the cluster was claimed.
func (s *Service) DeleteHSM(ctx context.Context, call *key.Call, id, hsm string) error {
	_, err := guard.Do(ctx, s.guard, call, key.DeleteHSM, func(v *guard.Visit) (struct{}, error) {
		none := struct{}{}
		c, err := s.visit(ctx, v, key.DeleteHSM, id, nil)
		if err != nil {
			return none, err
		}
		v.Note("hsm", hsm)
		h := c.hsm(hsm)
		if h == nil {
			return none, missing(call, key.KindHSM, hsm)
		}
		v.Note("token", h.Token)
		backup := s.record(ctx, c, h.ID)
		if _, err = s.commit(ctx, v, c, func(tx store.Tx, c *Cluster) error { return c.leave(tx, hsm, backup) }); err != nil {
			return none, err
		}
		s.changed(id)
		s.release(ctx, c, h)
		return none, nil
	})
	return err
}

// leave is the edit that takes an HSM out of its cluster. Backup says what is
// kept if it is the last one.
func (c *Cluster) leave(tx store.Tx, hsm string, backup *Backup) error {
	h := c.hsm(hsm)
	if h == nil {
		return fault.New(fault.Conflict, "the HSM is deleted")
	}
	token := h.Token
	c.drop(hsm)
	if len(c.HSMs) == 0 && c.Certificate == nil {
		c.Request = nil // it was for a key of the token
	}
	last := len(c.HSMs) == 0 && c.Certificate != nil
	if last {
		c.Held = backup.held()
	}
	if tx == nil {
		return nil
	}
	if last {
		if err := putBackup(tx, backup); err != nil {
			return err
		}
	}
	return deleteClaim(tx, token)
}

// release takes a cluster's mark from a token that holds nothing else: there
// is nothing to find again.
func (s *Service) release(ctx context.Context, c *Cluster, h *HSM) {
	defer s.forgetLook(h.Token)
	_, held, err := s.inspect(ctx, h)
	if err == nil && len(held.Objects) == 0 {
		err = s.pool.Forget(ctx, h.Token, markPrefix+c.Lineage)
	}
	if err != nil {
		s.log.WarnContext(ctx, "a token that was given back keeps the mark of its cluster",
			slog.String("token", h.Token), slog.String("cluster", c.ID), slog.Any("cause", err))
	}
}

// inspect returns what an HSM's token says and holds; another token in its
// place is an error.
func (s *Service) inspect(ctx context.Context, h *HSM) (*Look, *Contents, error) {
	l, err := s.lookNow(ctx, h.Token)
	if err != nil {
		return nil, nil, err
	}
	if l.Serial != h.Serial {
		return nil, nil, fault.New(fault.Unavailable, "another token is in the place of the one with the serial number %s", h.Serial)
	}
	held, err := s.pool.Contents(ctx, h.Token)
	return l, held, err
}
