// Package tokens serves over the native API what the server's HSMs are: its
// tokens, groups of them, and what is on a token.
package tokens

import (
	"context"

	"github.com/holdfast-kms/holdfast/internal/front/native"
	"github.com/holdfast-kms/holdfast/internal/key"
	wire "github.com/holdfast-kms/holdfast/internal/wire/native"
)

// Reader tells callers who may of the server's HSMs. It authorises
// key.ListTokens and key.ListTokenObjects for the call.
type Reader interface {
	// HSMs returns all tokens and groups, without what they say of themselves.
	HSMs(ctx context.Context, call *key.Call) (*wire.HSMList, error)
	// HSM returns one of them, with what it says of itself while it can be
	// reached.
	HSM(ctx context.Context, call *key.Call, name string) (*wire.HSM, error)
	// Objects returns what is on a token, or on the tokens of a group.
	Objects(ctx context.Context, call *key.Call, name string) (*wire.HSMObjectList, error)
}

// front has the handlers.
type front struct{ hsms Reader }

// Operations returns the operations on HSMs.
func Operations(r Reader) []native.Operation {
	f := &front{r}
	return []native.Operation{
		native.Get("/hsms", "ListHSMs", key.ListTokens, native.Handle(f.list)),
		native.Get("/hsms/{hsm}", "GetHSM", key.ListTokens, native.Handle(f.show)),
		native.Get("/hsms/{hsm}/objects", "ListHSMObjects", key.ListTokenObjects, native.Handle(f.objects)),
	}
}

func (f *front) list(ctx context.Context, r *native.Request, _ *wire.None) (*wire.HSMList, error) {
	return f.hsms.HSMs(ctx, r.Call)
}

func (f *front) show(ctx context.Context, r *native.Request, _ *wire.None) (*wire.HSM, error) {
	return f.hsms.HSM(ctx, r.Call, r.Path("hsm"))
}

func (f *front) objects(ctx context.Context, r *native.Request, _ *wire.None) (*wire.HSMObjectList, error) {
	return f.hsms.Objects(ctx, r.Call, r.Path("hsm"))
}
