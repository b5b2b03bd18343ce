package storetest

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/store"
)

func scanTests() map[string]func(*testing.T, Config) {
	return map[string]func(*testing.T, Config){
		"queries":                     testQueries,
		"malformed queries":           testMalformed,
		"order of bytes":              testByteOrder,
		"many rows":                   testManyRows,
		"large rows":                  testLargeRows,
		"pages":                       testPages,
		"loops in loops":              testNested,
		"a loop that changes its row": testChangingLoop,
	}
}

// queryCase says which of the rows of testQueries a query yields.
type queryCase struct {
	name  string
	query store.Query
	want  []string
	count int
}

func queryCases() []queryCase {
	return []queryCase{
		{"all", store.Query{}, []string{"a", "b", "c", "d", "e", "f"}, 6},
		{"from", store.Query{From: "c"}, []string{"c", "d", "e", "f"}, 4},
		{"from between ids", store.Query{From: "cc"}, []string{"d", "e", "f"}, 3},
		{"to", store.Query{To: "c"}, []string{"a", "b"}, 2},
		{"from and to", store.Query{From: "b", To: "d"}, []string{"b", "c"}, 2},
		{"from behind to", store.Query{From: "d", To: "b"}, nil, 0},
		{"from behind all", store.Query{From: "z"}, nil, 0},
		{"after", store.Query{After: "d"}, []string{"e", "f"}, 6},
		{"after an id that is not there", store.Query{After: "dd"}, []string{"e", "f"}, 6},
		{"after, behind from", store.Query{From: "b", After: "d"}, []string{"e", "f"}, 5},
		{"after, before from", store.Query{From: "d", After: "b"}, []string{"d", "e", "f"}, 3},
		{"after, at from", store.Query{From: "d", After: "d"}, []string{"e", "f"}, 3},
		{"after, with an end", store.Query{From: "a", To: "e", After: "c"}, []string{"d"}, 4},
		{"limit", store.Query{Limit: 2}, []string{"a", "b"}, 6},
		{"limit at the end", store.Query{From: "e", Limit: 2}, []string{"e", "f"}, 2},
		{"limit above the end", store.Query{From: "e", Limit: 3}, []string{"e", "f"}, 2},
		{"by column", store.Query{Column: "scope"}, []string{"b", "e", "a", "c", "d", "f"}, 6},
		{"by a column with equal values", store.Query{Column: "due"}, []string{"a", "f", "c", "d", "e", "b"}, 6},
		{"column from", store.Query{Column: "due", From: "2"}, []string{"d", "e", "b"}, 3},
		{"column to", store.Query{Column: "due", To: "2"}, []string{"a", "f", "c"}, 3},
		{"column that is empty", store.Query{Column: "due", To: "0"}, []string{"a", "f"}, 2},
		{"column that is not empty", store.Query{Column: "due", From: "0"}, []string{"c", "d", "e", "b"}, 4},
		{"column from and to", store.Query{Column: "due", From: "1", To: "3"}, []string{"c", "d", "e"}, 3},
		{"column from behind to", store.Query{Column: "due", From: "3", To: "1"}, nil, 0},
		{"column limit", store.Query{Column: "due", From: "1", Limit: 2}, []string{"c", "d"}, 4},
		{"equal", store.Query{Column: "scope", Equal: "red"}, []string{"a", "c", "d"}, 3},
		{"equal to nothing", store.Query{Column: "scope", Equal: "re"}, nil, 0},
		{"equal after", store.Query{Column: "scope", Equal: "red", After: "a"}, []string{"c", "d"}, 3},
		{"equal after all", store.Query{Column: "scope", Equal: "red", After: "d"}, nil, 3},
		{"equal after and limit", store.Query{Column: "scope", Equal: "red", After: "a", Limit: 1}, []string{"c"}, 3},
	}
}

func testQueries(t *testing.T, c Config) {
	s := c.open(t)
	put(t, s, store.Keys,
		key("a", "red", "", ""), key("b", "blue", "3", ""), key("c", "red", "1", ""),
		key("d", "red", "2", ""), key("e", "blue", "2", ""), key("f", "redder", "", ""),
	)
	check := func(r store.Reader) error {
		for _, test := range queryCases() {
			got, err := ids(r, store.Keys, test.query)
			if err != nil {
				return fmt.Errorf("%s: %w", test.name, err)
			}
			if !slices.Equal(got, test.want) {
				t.Errorf("%s: %v, want %v", test.name, got, test.want)
			}
			count, err := r.Count(store.Keys, test.query)
			if err != nil {
				return fmt.Errorf("counting %s: %w", test.name, err)
			}
			if count != test.count {
				t.Errorf("%s: count %d, want %d", test.name, count, test.count)
			}
		}
		return nil
	}
	view(t, s, check)
	update(t, s, func(tx store.Tx) error { return check(tx) })
}

func testMalformed(t *testing.T, c Config) {
	s := c.open(t)
	put(t, s, store.Keys, key("a", "red", "", ""))
	for name, q := range map[string]store.Query{
		"unknown column":         {Column: "colour"},
		"column that is no name": {Column: `scope" --`},
		"equal without a column": {Equal: "red"},
		"equal with a range":     {Column: "scope", Equal: "red", From: "a"},
		"after in a range":       {Column: "scope", After: "a"},
		"negative limit":         {Limit: -1},
		"bound with NUL":         {From: "\x00"},
		"bound not UTF-8":        {Column: "scope", Equal: "\xff"},
	} {
		view(t, s, func(r store.Reader) error {
			_, err := all(r, store.Keys, q)
			wantKind(t, "Scan with "+name, err, fault.InvalidArgument)
			_, err = r.Count(store.Keys, q)
			wantKind(t, "Count with "+name, err, fault.InvalidArgument)
			return nil
		})
	}
}

func testByteOrder(t *testing.T, c Config) {
	s := c.open(t)
	// Ascending by bytes: what a collation or a path would order otherwise.
	want := []string{
		"\x01", " ", "-", ".", "/", "0", "10", "9", "A", "Z", "_", "a", "a ", "a!", "a-b", "a/", "a/b", "a/b/c", "a0", "aa", "b",
		"z", "~", "\u007f", "Ä", "ß", "é", "ÿ", "Ω", "я", "\u2028", "鍵", "\ue000", "\uffff", "🔑", "\U0010ffff",
	}
	if !slices.IsSorted(want) {
		t.Fatal("the table of this test is not sorted")
	}
	for i := range want {
		text := want[(i*7)%len(want)] // 7 and the length have no common factor
		put(t, s, store.Keys, key(text, "s", text, ""))
	}
	view(t, s, func(r store.Reader) error {
		for _, q := range []store.Query{{}, {Column: "due"}, {Column: "scope", Equal: "s"}} {
			got, err := ids(r, store.Keys, q)
			if err != nil {
				return err
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("order of %+v (-want +got):\n%s", q, diff)
			}
		}
		return nil
	})
	for i, text := range want {
		for _, q := range []store.Query{{From: text}, {Column: "due", From: text}} {
			view(t, s, func(r store.Reader) error {
				n, err := r.Count(store.Keys, q)
				if n != len(want)-i {
					t.Errorf("%d rows of %+v, want %d", n, q, len(want)-i)
				}
				return err
			})
		}
	}
}

// manyRows stores n keys, two thirds of one scope and all with few values of due.
func manyRows(t *testing.T, s store.Store, n int) {
	t.Helper()
	update(t, s, func(tx store.Tx) error {
		for i := range n {
			scope := "mine"
			if i%3 == 2 {
				scope = "theirs"
			}
			if err := tx.Insert(store.Keys, key(fmt.Sprintf("%06d", i), scope, fmt.Sprint(i%4), "body")); err != nil {
				return err
			}
		}
		return nil
	})
}

// testManyRows reads more rows than an implementation may hold at once.
func testManyRows(t *testing.T, c Config) {
	const n = 3000
	s := c.open(t)
	manyRows(t, s, n)
	view(t, s, func(r store.Reader) error {
		for name, test := range map[string]struct {
			query store.Query
			want  int
		}{
			"by id":            {store.Query{}, n},
			"by column":        {store.Query{Column: "due"}, n},
			"part of a column": {store.Query{Column: "due", From: "1", To: "3"}, n / 2},
			"equal":            {store.Query{Column: "scope", Equal: "mine"}, n / 3 * 2},
			"limit":            {store.Query{Column: "due", Limit: 1111}, 1111},
		} {
			rows, err := all(r, store.Keys, test.query)
			if err != nil {
				return err
			}
			sorted := slices.IsSortedFunc(rows, func(a, b store.Row) int {
				if test.query.Column == "due" {
					return slices.Compare([]string{a.Columns[1], a.ID}, []string{b.Columns[1], b.ID})
				}
				return slices.Compare([]string{a.ID}, []string{b.ID})
			})
			if len(rows) != test.want || !sorted {
				t.Errorf("%s: %d rows (sorted: %v), want %d", name, len(rows), sorted, test.want)
			}
		}
		return nil
	})
}

// testLargeRows reads rows whose bodies an implementation may not hold at once.
func testLargeRows(t *testing.T, c Config) {
	s := c.open(t)
	for i := range 12 {
		r := key(fmt.Sprintf("%02d", i), "s", "", "")
		r.Body = make([]byte, store.MaxBody/3)
		r.Body[0] = byte(i)
		put(t, s, store.Keys, r)
	}
	for _, q := range []store.Query{{}, {Column: "due"}, {Column: "scope", Equal: "s"}, {Limit: 12}} {
		view(t, s, func(r store.Reader) error {
			rows, err := all(r, store.Keys, q)
			if err != nil {
				return err
			}
			if len(rows) != 12 {
				t.Errorf("%d rows of %+v, want 12", len(rows), q)
			}
			for i, row := range rows {
				if int(row.Body[0]) != i {
					t.Errorf("row %d of %+v is %s with body %d", i, q, row.ID, row.Body[0])
				}
			}
			return nil
		})
	}
}

// testPages walks through all rows by After, as a listing with markers does.
func testPages(t *testing.T, c Config) {
	const n = 300
	s := c.open(t)
	manyRows(t, s, n)
	for _, q := range []store.Query{{}, {From: "000010", To: "000020"}, {Column: "scope", Equal: "mine"}} {
		for _, size := range []int{1, 7, n} {
			q := q
			q.Limit = 0
			var want, got []string
			view(t, s, func(r store.Reader) (err error) {
				want, err = ids(r, store.Keys, q)
				return err
			})
			for q.Limit = size; ; {
				var page []string
				view(t, s, func(r store.Reader) (err error) {
					page, err = ids(r, store.Keys, q)
					return err
				})
				got = append(got, page...)
				if len(page) < size {
					break
				}
				q.After = page[len(page)-1]
			}
			if diff := cmp.Diff(want, got); diff != "" || len(want) == 0 {
				t.Errorf("pages of %d for %+v (-want +got):\n%s", size, q, diff)
			}
		}
	}
}

// testNested scans with the same query inside a scan, and leaves early.
func testNested(t *testing.T, c Config) {
	s := c.open(t)
	manyRows(t, s, 30)
	q := store.Query{Column: "scope", Equal: "mine"}
	walk := func(r store.Reader) error {
		pairs := 0
		for _, err := range r.Scan(store.Keys, q) {
			if err != nil {
				return err
			}
			n, err := upTo(r, q, "000010")
			if err != nil {
				return err
			}
			pairs += n
		}
		if pairs != 20*8 { // 0, 1, 3, 4, 6, 7, 9, 10 for each
			t.Errorf("%d pairs, want 160", pairs)
		}
		return nil
	}
	view(t, s, walk)
	update(t, s, func(tx store.Tx) error { return walk(tx) })
}

// upTo counts the rows of a scan until one has the id.
func upTo(r store.Reader, q store.Query, id string) (n int, err error) {
	for row, err := range r.Scan(store.Keys, q) {
		if err != nil {
			return n, err
		}
		if _, err := r.Get(store.Keys, row.ID); err != nil {
			return n, err
		}
		if n++; row.ID == id {
			break
		}
	}
	return n, nil
}

// testChangingLoop deletes or changes each row that a scan yields: each must
// be met once, although the writes move or remove it.
func testChangingLoop(t *testing.T, c Config) {
	const n = 1500
	s := c.open(t)
	manyRows(t, s, n)
	met := 0
	update(t, s, func(tx store.Tx) error {
		for row, err := range tx.Scan(store.Keys, store.Query{Column: "due", From: "0", To: "2"}) {
			if err != nil {
				return err
			}
			met++
			if row.Columns[1] == "0" {
				err = tx.Delete(store.Keys, row.ID)
			} else {
				row.Columns[1] = "" // moves it behind the loop
				err = tx.Put(store.Keys, row)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
	view(t, s, func(r store.Reader) error {
		left, err := r.Count(store.Keys, store.Query{})
		if err != nil {
			return err
		}
		moved, err := r.Count(store.Keys, store.Query{Column: "due", To: "0"})
		if err != nil {
			return err
		}
		if met != n/2 || left != n/4*3 || moved != n/4 {
			t.Errorf("met %d rows, %d left, %d of them moved; want %d, %d, %d", met, left, moved, n/2, n/4*3, n/4)
		}
		return nil
	})
}
