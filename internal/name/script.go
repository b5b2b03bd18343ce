package name

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// This file knows texts that look like others: invisible characters, words of
// letters of several scripts, and words of one script whose letters all look
// like Latin ones. The rules are those of Unicode Technical Standard #39
// section 5.2 ("highly restrictive") and, for host names, of the display
// policy of browsers.

// unprintable reports control characters, and the invisible ones that make
// two different names look the same.
func unprintable(r rune) bool {
	if r < 0x80 {
		return r < ' ' || r == 0x7f
	}
	return !unicode.IsPrint(r) || r == '\u2800' || // BRAILLE PATTERN BLANK
		unicode.In(r, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector)
}

// Printable reports whether a text has at most so many characters, of which
// all can be seen.
func Printable(s string, limit int) bool {
	return utf8.RuneCountInString(s) <= limit && utf8.ValidString(s) && !strings.ContainsFunc(s, unprintable)
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}

// script is a set of scripts as bits.
type script uint16

const (
	latin script = 1 << iota
	greek
	cyrillic
	han
	hiragana
	katakana
	hangul
	bopomofo
	otherScript // and whichever script it is, see scriptOf
)

// together are the sets of scripts whose letters one word may have.
var together = [...]script{
	latin | han | hiragana | katakana, latin | han | bopomofo, latin | han | hangul,
}

// scriptOf returns the script of a letter, 0 for what all scripts share. The
// text is the name of a script that has no bit of its own.
func scriptOf(r rune) (bit script, other string) {
	switch {
	case unicode.In(r, unicode.Common, unicode.Inherited):
		return 0, ""
	case unicode.Is(unicode.Latin, r):
		return latin, ""
	case unicode.Is(unicode.Greek, r):
		return greek, ""
	case unicode.Is(unicode.Cyrillic, r):
		return cyrillic, ""
	case unicode.Is(unicode.Han, r):
		return han, ""
	case unicode.Is(unicode.Hiragana, r):
		return hiragana, ""
	case unicode.Is(unicode.Katakana, r):
		return katakana, ""
	case unicode.Is(unicode.Hangul, r):
		return hangul, ""
	case unicode.Is(unicode.Bopomofo, r):
		return bopomofo, ""
	}
	for name, table := range unicode.Scripts {
		if unicode.Is(table, r) {
			return otherScript, name
		}
	}
	return otherScript, ""
}

// mixedScripts returns the first word of a text that has letters of scripts
// which are not written together, and false; or true when there is none.
func mixedScripts(s string) (word string, ok bool) {
	if isASCII(s) {
		return "", true
	}
	for word := range strings.FieldsFuncSeq(s, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsMark(r) && !unicode.IsDigit(r) }) {
		if !oneScript(word) {
			return word, false
		}
	}
	return "", true
}

func oneScript(word string) bool {
	var have script
	var other string
	for _, r := range word {
		bit, name := scriptOf(r)
		if bit == otherScript && have&otherScript != 0 && name != other {
			return false
		}
		if have |= bit; bit == otherScript {
			other = name
		}
	}
	if have&(have-1) == 0 {
		return true
	}
	for _, set := range together {
		if have&^set == 0 {
			return true
		}
	}
	return false
}

// lookalikes are the lower-case letters of other scripts that readers take
// for Latin ones.
const lookalikes = "асԁеһіјӏорԛѕԝхуъьҽпгѵѡ" + "αγεηικνορστυχω" + "օոսցհ"

// looksLatin reports whether all letters of a label are of another script and
// look like Latin ones, as "аррӏе" in Cyrillic does.
func looksLatin(label string) bool {
	foreign := false
	for _, r := range label {
		if r < 0x80 {
			if unicode.IsLetter(r) {
				return false
			}
			continue
		}
		if !strings.ContainsRune(lookalikes, r) {
			return false
		}
		foreign = true
	}
	return foreign
}
