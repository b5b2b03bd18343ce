package compliance

import "context"

// Facts takes facts as they come. *Checker is one.
type Facts interface {
	Key(k *Key)
	Installation(i *Installation)
	// Gap tells of resources that could not be looked at at all.
	Gap(s Subject, resource, reason string)
}

var _ Facts = (*Checker)(nil)

// Account is what a place of keys elsewhere is that tells its facts itself.
type Account interface {
	// Survey gives the facts of all that is there, under the rights that the
	// place was opened with. What one key cannot be asked is in its facts; an
	// error is that the account cannot be looked at.
	Survey(ctx context.Context, to Facts) error
}
