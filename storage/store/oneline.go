package store

import "strings"

// oneLine is an error of the library whose text has several lines.
type oneLine struct{ error }

// longest is how many bytes of a text are shown: registries write what they like into their answers. The beginning says what failed, and the
// end why.
const longest = 2000

// Error is the text on one line, without the piece of a file that the library's JSON decoder quotes.
func (e oneLine) Error() string {
	text, _, _ := strings.Cut(e.error.Error(), damaged)
	var lines []string
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" {
			lines = append(lines, line)
		}
	}
	text = strings.Join(lines, "; ")
	if len(text) > longest {
		text = strings.ToValidUTF8(text[:longest/2]+"…"+text[len(text)-longest/2:], "")
	}
	return text
}

// Unwrap is the error itself.
func (e oneLine) Unwrap() error { return e.error }

// OneLine makes an error of the image libraries fit into a sentence.
func OneLine(err error) error { return oneLine{err} }

// damaged is in the errors of the library's JSON decoder, which have no type of their own.
const damaged = ", error found in #"

func damagedFile(err error) bool { return strings.Contains(err.Error(), damaged) }
