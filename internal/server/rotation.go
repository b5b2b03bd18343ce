package server

import (
	"github.com/holdfast-kms/holdfast/internal/config"
	"github.com/holdfast-kms/holdfast/internal/rotation"
)

// openRotation opens the rules of rotation, of which the keys tell from then on.
func (i *instance) openRotation(c *config.Config) {
	i.rotation = rotation.New(rotation.Config{
		Keys: i.keys, Guard: i.guard, Store: i.store, Defaults: rotation.Defaults(c.Rotation),
	})
	i.keys.FollowRules(i.rotation.Status)
}
