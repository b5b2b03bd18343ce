package audit

import (
	"fmt"
	"time"
)

// ProblemKind says what sort of thing is wrong with a log.
type ProblemKind string

// The kinds of problems.
const (
	Missing  ProblemKind = "missing"  // entries or segments that are not there
	Moved    ProblemKind = "moved"    // something that stands where it does not belong
	Changed  ProblemKind = "changed"  // something that is not what the hash chain says
	Damaged  ProblemKind = "damaged"  // bytes that are no frame
	Rewrote  ProblemKind = "rewrote"  // entries whose chain is whole, and not the one that was signed
	Forged   ProblemKind = "forged"   // a checkpoint that the log's key did not sign
	Unsigned ProblemKind = "unsigned" // more entries without a checkpoint than Holdfast leaves
	Cut      ProblemKind = "cut"      // a file or log whose end was cut off
)

// Problem is one thing that is wrong with a log.
type Problem struct {
	Kind    ProblemKind `json:"kind"`
	Segment uint64      `json:"segment"`
	// Offset is where in the segment's file, in bytes.
	Offset int64 `json:"offset"`
	// First and Last are the entries concerned, zero if none is.
	First Position `json:"first,omitempty"`
	Last  Position `json:"last,omitempty"`
	Text  string   `json:"text"`
}

// String returns the problem as a line.
func (p Problem) String() string {
	return fmt.Sprintf("segment %d, offset %d: %s: %s", p.Segment, p.Offset, p.Kind, p.Text)
}

// maxProblems limits a report: one change at the start of a log may follow
// through all of it.
const maxProblems = 100

// Report is what Verify found.
type Report struct {
	// Log is the log's id.
	Log string `json:"log"`
	// Segments and Bytes count files and what is written in them.
	Segments int   `json:"segments"`
	Bytes    int64 `json:"bytes"`
	// Entries counts the records from First to Last; Refused counts the
	// positions between that are on record as refused by a full disk.
	Entries   uint64    `json:"entries"`
	Refused   uint64    `json:"refused"`
	First     Position  `json:"first"`
	Last      Position  `json:"last"`
	FirstTime time.Time `json:"firstTime,omitzero"`
	LastTime  time.Time `json:"lastTime,omitzero"`
	// Checkpoints counts the valid ones; Checkpoint is the last of them.
	Checkpoints int        `json:"checkpoints"`
	Checkpoint  Checkpoint `json:"checkpoint,omitzero"`
	// Unsigned counts the entries after the last checkpoint. Their chain is
	// whole, and nothing more is known of them.
	Unsigned uint64 `json:"unsigned"`
	// Torn is the size in bytes of a write that a crash interrupted at the
	// log's end. No caller was told of what was in it. Open cuts it off.
	Torn int64 `json:"torn"`
	// Retention is the mark of a log whose beginning was removed on purpose:
	// it is signed, and the log begins as it says or before.
	Retention *Mark `json:"retention,omitempty"`
	// Problems are what is wrong, in the order of the log, at most 100.
	// Omitted counts the rest.
	Problems []Problem `json:"problems"`
	Omitted  int       `json:"omitted"`
}

// OK reports whether nothing is wrong.
func (r *Report) OK() bool { return len(r.Problems) == 0 }

func (r *Report) add(p Problem) {
	if len(r.Problems) == maxProblems {
		r.Omitted++
		return
	}
	r.Problems = append(r.Problems, p)
}

// CorruptError says that a log cannot be opened because it is damaged before
// its end, where no crash does that. Keep the directory as evidence and let
// Verify say more.
type CorruptError struct {
	Dir      string
	Problems []Problem
}

// Error names the first problem.
func (e *CorruptError) Error() string {
	return fmt.Sprintf("the audit log in %s was changed or damaged: %s", e.Dir, e.Problems[0])
}

// entries names a range of positions in words.
func entries(first, last Position) string {
	if first == last {
		return fmt.Sprintf("entry %d", first)
	}
	return fmt.Sprintf("entries %d to %d", first, last)
}
