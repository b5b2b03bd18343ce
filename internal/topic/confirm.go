package topic

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"time"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/guard"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/store"
)

// Confirm confirms a subscription with the token that was sent to its endpoint.
// Guarded has it be ended by signed requests only; it needs a caller that
// proved who it is, as does everything but confirming.
func (s *Service) Confirm(ctx context.Context, call *key.Call, ref key.Resource, token string, guarded bool) (*Subscription, error) {
	return guard.Do(ctx, s.Guard, call, key.ConfirmSubscription, func(v *guard.Visit) (*Subscription, error) {
		anonymous := call.Caller.Principal.Kind == key.Anonymous
		if anonymous {
			v.Permit(ref, "the token was sent to the endpoint")
		} else if _, err := s.visit(ctx, v, key.ConfirmSubscription, ref, nil); err != nil {
			return nil, err
		}
		if anonymous && guarded {
			return nil, Wrong("AuthenticateOnUnsubscribe", "only a signed request can ask for signed requests")
		}
		by := "token"
		if guarded {
			by = call.Caller.Principal.String()
		}
		return s.alter(ctx, v, subscriptionID(ref, idOf(token)), func(sub *Subscription) error {
			sum := sha256.Sum256([]byte(token))
			if subtle.ConstantTimeCompare(sum[:], sub.token[:]) != 1 || !s.Now().Before(sub.Expires) {
				return Wrong("Token", "the token is unknown or has expired")
			}
			if sub.State() != Confirmed { // the same token again changes nothing
				sub.ConfirmedBy, sub.Guarded, sub.LeftAt = by, guarded, time.Time{}
			}
			return nil
		}, func() error { return Wrong("Token", "the token is unknown or has expired") })
	})
}

// Unsubscribe ends a subscription. A caller that proved nothing may end one that
// is not guarded, whose ids nobody guesses: the endpoint is told, and can take
// it back.
func (s *Service) Unsubscribe(ctx context.Context, call *key.Call, ref key.Resource) error {
	_, err := guard.Do(ctx, s.Guard, call, key.Unsubscribe, func(v *guard.Visit) (struct{}, error) {
		target := guard.Target{Action: key.Unsubscribe, Resource: ref}
		anonymous := call.Caller.Principal.Kind == key.Anonymous
		if !anonymous {
			if err := v.Authorize(target); err != nil {
				return struct{}{}, err
			}
		}
		sub, t, err := s.find(ctx, ref)
		switch {
		case err != nil && fault.KindOf(err) == fault.NotFound && anonymous:
			return struct{}{}, v.Deny(target, fault.NoResourcePolicyAllows, "the request is not signed")
		case err != nil && fault.KindOf(err) == fault.NotFound:
			return struct{}{}, nil // ending what is not there is no error
		case err != nil:
			return struct{}{}, err
		case anonymous && sub.Guarded:
			return struct{}{}, v.Deny(target, fault.NoResourcePolicyAllows, "the subscription is ended by signed requests only")
		case anonymous:
			v.Permit(ref, "whoever has the address of the subscription may end it")
			sub.LeftAt, sub.ConfirmedBy = s.Now().UTC(), ""
			return struct{}{}, s.ask(ctx, v, t, sub, Goodbye)
		}
		if err := dry(call); err != nil {
			return struct{}{}, err
		}
		return struct{}{}, v.Commit(ctx, func() error {
			return s.Store.Update(ctx, func(tx store.Tx) error { return tx.Delete(store.Subscriptions, sub.rowID()) })
		})
	})
	return err
}
