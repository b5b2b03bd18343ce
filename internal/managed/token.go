package managed

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/store"
)

// tokenLife is how long a request with a token is remembered.
const tokenLife = time.Hour

// token remembers what a request made, so that whoever lost the answer may
// ask again. It is the JSON body of a row of store.Tokens.
type token struct {
	V int `json:"v"`
	// Request is the SHA-256 of what was asked for, ID what was made.
	Request string `json:"request"`
	ID      string `json:"id"`
}

// tokenID is the row id of a caller's token.
func tokenID(call *key.Call, operation, text string) string {
	return string(call.Caller.Principal.Realm) + "/managed:" + operation + "@" + call.Region + "/" + text
}

// requestDigest tells requests apart.
func requestDigest(request any) (string, error) {
	text, err := json.Marshal(request)
	if err != nil {
		return "", fmt.Errorf("encoding a request: %w", err)
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:]), nil
}

// recall returns the id that an earlier request with the token made, "" when
// there was none. A token of another request is an InvalidArgument.
func (s *Service) recall(ctx context.Context, id, digest string) (string, error) {
	var t token
	err := s.store.View(ctx, func(r store.Reader) error {
		row, err := r.Get(store.Tokens, id)
		if err != nil {
			return err
		}
		if row.Columns[0] <= s.now().UTC().Format(store.TimeFormat) {
			return nil
		}
		return json.Unmarshal(row.Body, &t)
	})
	switch {
	case err != nil && fault.KindOf(err) == fault.NotFound:
		return "", nil
	case err != nil:
		return "", fmt.Errorf("looking for an idempotency token: %w", err)
	case t.ID != "" && t.Request != digest:
		return "", fault.Because(fault.InvalidArgument, fault.TokenReused, "the idempotency token was used for another request")
	}
	return t.ID, nil
}

// remember stores a token within the transaction that makes what it is for.
func (s *Service) remember(tx store.Tx, id, digest, made string) error {
	body, err := json.Marshal(token{1, digest, made})
	if err != nil {
		return fmt.Errorf("encoding an idempotency token: %w", err)
	}
	expires := s.now().Add(tokenLife).UTC().Format(store.TimeFormat)
	return tx.Put(store.Tokens, store.Row{ID: id, Columns: []string{expires}, Body: body})
}

// forget removes tokens whose time is over, at most dueBatch of them.
func (s *Service) forget(ctx context.Context) error {
	now := s.now().UTC().Format(store.TimeFormat)
	return s.store.Update(ctx, func(tx store.Tx) error {
		var old []string
		for row, err := range tx.Scan(store.Tokens, store.Query{Column: "expires", To: now, Limit: dueBatch}) {
			if err != nil {
				return err
			}
			old = append(old, row.ID)
		}
		for _, id := range old {
			if err := tx.Delete(store.Tokens, id); err != nil {
				return err
			}
		}
		return nil
	})
}
