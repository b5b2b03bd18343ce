package terminal

import (
	"fmt"
	"slices"
	"strings"
)

// Closest returns the candidate that was probably meant, or "".
func Closest(word string, candidates []string) string {
	best, least := "", 1+len(word)/3
	for _, c := range candidates {
		if d := distance(strings.ToLower(word), strings.ToLower(c)); d <= least {
			best, least = c, d-1
		}
	}
	if best == "" && len(word) > 1 {
		for _, c := range candidates {
			if strings.HasPrefix(strings.ToLower(c), strings.ToLower(word)) {
				return c
			}
		}
	}
	return best
}

// distance returns how many letters must be put in, left out or replaced to
// make b of a (Levenshtein).
func distance(a, b string) int {
	line := make([]int, len(b)+1)
	for j := range line {
		line[j] = j
	}
	for i := range len(a) {
		diagonal := line[0]
		line[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = line[j+1]
			line[j+1] = min(cost, line[j]+1, line[j+1]+1)
		}
	}
	return line[len(b)]
}

// CheckName refuses a name that is none of those known, and says which was
// probably meant. Names are accepted as AWS spells them and as the field does.
func CheckName(what, name string, known []string, also func(string) bool) error {
	if slices.Contains(known, name) {
		return nil
	}
	if also(name) {
		return nil
	}
	err := fmt.Errorf("the %s %q is not known", what, name)
	if near := Closest(name, known); near != "" {
		return WrongUsage(Hint(err, "did you mean %s?", near))
	}
	return WrongUsage(Hint(err, "it is one of %s", strings.Join(known, ", ")))
}
