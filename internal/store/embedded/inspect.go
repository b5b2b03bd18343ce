package embedded

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/holdfast-kms/holdfast/internal/store"
)

// inspect is the check at each start. It costs the same for a small file and
// a large one, unlike PRAGMA quick_check, which reads every page (seconds for
// a gigabyte). It finds what goes wrong with whole files: one cut short, one
// without a table or index, one whose log belongs to another; and damage at
// either end of a table. Damage elsewhere is found when a statement meets it,
// by SQLite's checks of each page, and by Check.
func inspect(ctx context.Context, s *session, path string) error {
	// What a crash has left in the log goes into the file first. It also makes
	// the file's length comparable.
	var busy, log, copied int
	if err := s.conn.QueryRowContext(ctx, "PRAGMA wal_checkpoint(TRUNCATE)").Scan(&busy, &log, &copied); err != nil {
		return fmt.Errorf("recovering the log: %w", classify(err))
	}
	if err := inspectLength(ctx, s, path); err != nil {
		return err
	}
	for _, t := range store.Tables() {
		if err := inspectTable(ctx, s, t); err != nil {
			return fmt.Errorf("inspecting table %s: %w", t.Name, classify(err))
		}
	}
	return nil
}

func inspectLength(ctx context.Context, s *session, path string) error {
	var pages, size int64
	for pragma, value := range map[string]*int64{"page_count": &pages, "page_size": &size} {
		if err := s.conn.QueryRowContext(ctx, "PRAGMA "+pragma).Scan(value); err != nil {
			return classify(err)
		}
	}
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if info.Size() < pages*size {
		return fmt.Errorf("the store's file is damaged; restore it from a backup: it has %d bytes of %d", info.Size(), pages*size)
	}
	return nil
}

// inspectTable looks at both ends of each of the table's indexes and at the
// rows that they lead to.
func inspectTable(ctx context.Context, s *session, t *store.Table) error {
	for _, text := range ends(t) {
		if _, err := s.conn.ExecContext(ctx, text); err != nil {
			return err
		}
	}
	return nil
}

// Check reads the whole file and returns what is wrong with it: pages, the
// order of every tree, rows without their entries in an index or the reverse.
// It takes some eight seconds for a gigabyte and holds up nobody.
func (s *Store) Check(ctx context.Context) error {
	conn, err := s.reading.Conn(ctx)
	if err != nil {
		return classify(err)
	}
	defer conn.Close() //nolint:errcheck // it only read
	rows, err := conn.QueryContext(ctx, "PRAGMA integrity_check(20)")
	if err != nil {
		return classify(err)
	}
	defer rows.Close() //nolint:errcheck // Err has said it
	var findings []string
	for rows.Next() {
		var finding string
		if err := rows.Scan(&finding); err != nil {
			return classify(err)
		}
		if finding != "ok" {
			findings = append(findings, finding)
		}
	}
	if err := rows.Err(); err != nil {
		return classify(err)
	}
	if len(findings) > 0 {
		return errors.New("the store's file is damaged; restore it from a backup: " + strings.Join(findings, "; "))
	}
	return nil
}
