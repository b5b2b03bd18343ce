package embedded

import (
	"context"
	"database/sql"
	"slices"

	"github.com/holdfast-kms/holdfast/internal/store"
)

// session is one connection with its prepared statements. One goroutine uses
// it at a time.
type session struct {
	conn       *sql.Conn
	statements map[shape]*sql.Stmt
	plain      map[string]*sql.Stmt // transaction control
}

// newSession takes a connection out of the pool for good.
func newSession(ctx context.Context, db *sql.DB) (*session, error) {
	conn, err := db.Conn(ctx)
	if err != nil {
		return nil, classify(err)
	}
	return &session{conn: conn, statements: make(map[shape]*sql.Stmt), plain: make(map[string]*sql.Stmt)}, nil
}

// close gives the connection back. The statements go with it.
func (s *session) close() error {
	for _, stmt := range s.statements {
		_ = stmt.Close() // the connection ends next, and with it the statement
	}
	for _, stmt := range s.plain {
		_ = stmt.Close() // as above
	}
	return s.conn.Close()
}

// Statements run under a context that does not end: the driver would start a
// goroutine for each to watch one that can, and a transaction that has started
// is carried through. What may be long is cut in pieces instead (tx.Scan).

// control runs a statement without values or results.
func (s *session) control(text string) error {
	stmt, ok := s.plain[text]
	if !ok {
		var err error
		if stmt, err = s.conn.PrepareContext(context.Background(), text); err != nil {
			return classify(err)
		}
		s.plain[text] = stmt
	}
	_, err := stmt.ExecContext(context.Background())
	return classify(err)
}

func (s *session) prepared(of shape) (*sql.Stmt, error) {
	if stmt, ok := s.statements[of]; ok {
		return stmt, nil
	}
	stmt, err := s.conn.PrepareContext(context.Background(), of.text())
	if err != nil {
		return nil, classify(err)
	}
	s.statements[of] = stmt
	return stmt, nil
}

// write runs a statement and returns how many rows it has changed.
func (s *session) write(of shape, values ...any) (int64, error) {
	stmt, err := s.prepared(of) //nolint:sqlclosecheck // the session keeps it until close
	if err != nil {
		return 0, err
	}
	result, err := stmt.ExecContext(context.Background(), values...)
	if err != nil {
		return 0, classify(err)
	}
	return result.RowsAffected()
}

// count runs a statement whose result is one number.
func (s *session) count(of shape, values []any) (n int, err error) {
	stmt, err := s.prepared(of) //nolint:sqlclosecheck // the session keeps it until close
	if err != nil {
		return 0, err
	}
	err = stmt.QueryRowContext(context.Background(), values...).Scan(&n)
	return n, classify(err)
}

// read runs a query for rows and returns them, without the rest once their
// bodies have more than budget bytes.
func (s *session) read(budget int, of shape, values []any) (list []store.Row, err error) {
	stmt, err := s.prepared(of) //nolint:sqlclosecheck // the session keeps it until close
	if err != nil {
		return nil, err
	}
	rows, err := stmt.QueryContext(context.Background(), values...)
	if err != nil {
		return nil, classify(err)
	}
	defer rows.Close() //nolint:errcheck // Err has said it
	width := len(of.table.Columns)
	targets := make([]any, 2+width)
	for rows.Next() {
		row := store.Row{Columns: make([]string, width)}
		targets[0], targets[width+1] = &row.ID, &row.Body
		for i := range row.Columns {
			targets[i+1] = &row.Columns[i]
		}
		if err := rows.Scan(targets...); err != nil {
			return nil, classify(err)
		}
		list = append(list, row)
		if budget -= len(row.Body); budget < 0 {
			break
		}
	}
	return list, classify(rows.Err())
}

// get returns the row with the id.
func (s *session) get(t *store.Table, id string) (store.Row, error) {
	list, err := s.read(store.MaxBody, shape{verb: getRow, table: t}, []any{id})
	if err != nil {
		return store.Row{}, err
	}
	if len(list) == 0 {
		return store.Row{}, t.NotFound()
	}
	return list[0], nil
}

// values returns a row as the values of a statement that writes it.
func values(r store.Row) []any {
	list := make([]any, 0, 2+len(r.Columns))
	list = append(list, r.ID)
	for _, c := range r.Columns {
		list = append(list, c)
	}
	body := r.Body
	if body == nil {
		body = []byte{} // nil would be NULL
	}
	return append(list, body)
}

// value returns the row's value of a column.
func value(t *store.Table, r store.Row, column string) string {
	if column == "" {
		return ""
	}
	return r.Columns[slices.Index(t.Columns, column)]
}
