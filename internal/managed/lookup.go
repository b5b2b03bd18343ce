package managed

import "context"

// Lookup returns a managed certificate of any realm by its id. It asks for no
// decision. One that does not exist is a NotFound error.
func (s *Service) Lookup(ctx context.Context, id string) (*Certificate, error) {
	return s.load(ctx, id)
}
