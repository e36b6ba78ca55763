package term

import (
	"os"

	"github.com/moby/term"
)

// Style writes words in colour, or plain where colour is not wanted. The zero value is plain.
type Style struct{ colour bool }

// StyleOf is the style for what is written to f: colour only on a terminal that has it, and not when
// NO_COLOR is set to anything (https://no-color.org).
func StyleOf(f *os.File) Style {
	dumb := os.Getenv("TERM") == "dumb" || os.Getenv("NO_COLOR") != ""
	return Style{colour: !dumb && IsTerminal(f)}
}

// Bold is for headings.
func (s Style) Bold(text string) string { return s.sgr("1", text) }

// Red is for errors.
func (s Style) Red(text string) string { return s.sgr("31", text) }

// Yellow is for warnings.
func (s Style) Yellow(text string) string { return s.sgr("33", text) }

// sgr wraps text in the ECMA-48 sequence "select graphic rendition".
func (s Style) sgr(code, text string) string {
	if !s.colour {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

// defaultWidth is what a terminal had when it was made of glass, and what a pipe is given.
const defaultWidth = 80

// Width is how many columns f has; 80 when it is not a terminal or does not say.
func Width(f *os.File) int {
	if ws, err := term.GetWinsize(f.Fd()); err == nil && ws.Width > 0 {
		return int(ws.Width)
	}
	return defaultWidth
}
