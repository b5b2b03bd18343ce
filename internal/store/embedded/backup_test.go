package embedded

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/store"
)

func TestBackup(t *testing.T) {
	dir := t.TempDir()
	s := openAt(t, filepath.Join(dir, "store.db"))
	defer closeStore(t, s)
	fillKeys(t, s, 300)
	copied := filepath.Join(dir, "it's a backup.db")

	// Writing goes on meanwhile, and the copy is of one moment.
	ctx, cancel := context.WithCancel(t.Context())
	wrote := make(chan error, 1)
	go func() {
		for {
			err := s.Update(ctx, func(tx store.Tx) error {
				for _, table := range []*store.Table{store.Settings, store.Users} {
					n, err := tx.Count(table, store.Query{})
					if err != nil {
						return err
					}
					row := store.Row{ID: fmt.Sprint(n), Columns: make([]string, len(table.Columns))}
					if err := tx.Insert(table, row); err != nil {
						return err
					}
				}
				return nil
			})
			if err != nil {
				wrote <- err
				return
			}
		}
	}()
	if err := s.Backup(t.Context(), copied); err != nil {
		t.Fatal(err)
	}
	cancel()
	if err := <-wrote; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if info, err := os.Stat(copied); err != nil || info.Mode().Perm() != 0o600 {
		t.Error(info, err)
	}
	if err := s.Backup(t.Context(), copied); fault.KindOf(err) != fault.AlreadyExists {
		t.Errorf("a backup onto a file: %v, want AlreadyExists", err)
	}
	if err := s.Backup(ctx, filepath.Join(dir, "cancelled.db")); err == nil {
		t.Error("a backup whose context has ended worked")
	}
	if left, err := filepath.Glob(filepath.Join(dir, "*partial*")); err != nil || len(left) > 0 {
		t.Error("left behind:", left, err)
	}
	if left, err := filepath.Glob(filepath.Join(dir, "cancelled*")); err != nil || len(left) > 0 {
		t.Error("left behind:", left, err)
	}

	b := openAt(t, copied)
	defer closeStore(t, b)
	wantKeys(t, b, 300)
	if err := b.View(t.Context(), func(r store.Reader) error {
		users, err := r.Count(store.Users, store.Query{})
		if err != nil {
			return err
		}
		settings, err := r.Count(store.Settings, store.Query{})
		if users != settings {
			t.Errorf("the copy has %d users and %d settings: not of one moment", users, settings)
		}
		return err
	}); err != nil {
		t.Error(err)
	}
}
