package format

import (
	"fmt"
	"io"
	"os"
	"reflect"
	"text/template"
	"text/template/parse"

	"github.com/mosscontainers/moss/pkg/term"
)

// seen says whether what is written to w is shown by a terminal, which would obey it.
func seen(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(f)
}

// harmless is the function that values go through which a terminal shows: they may be an image's or a container's choice. The text around
// them is the user's own, with its colours.
const harmless = "_harmless"

// through has every value that the template prints go through a function.
func through(tmpl *template.Template, function string) {
	for _, t := range tmpl.Templates() {
		throughIn(t.Root, function)
	}
}

func throughIn(n parse.Node, function string) {
	switch n := n.(type) {
	case *parse.ListNode:
		if n != nil {
			for _, one := range n.Nodes {
				throughIn(one, function)
			}
		}
	case *parse.ActionNode:
		if len(n.Pipe.Decl) == 0 {
			call := parse.NewIdentifier(function).SetPos(n.Pos)
			n.Pipe.Cmds = append(n.Pipe.Cmds, &parse.CommandNode{NodeType: parse.NodeCommand, Pos: n.Pos, Args: []parse.Node{call}})
		}
	case *parse.IfNode:
		throughBranch(&n.BranchNode, function)
	case *parse.RangeNode:
		throughBranch(&n.BranchNode, function)
	case *parse.WithNode:
		throughBranch(&n.BranchNode, function)
	}
}

func throughBranch(b *parse.BranchNode, function string) {
	throughIn(b.List, function)
	throughIn(b.ElseList, function)
}

// withoutControls is the text of a value that has control characters in it, with blanks for them, but for newlines and tabs. Any other value stays what it is.
func withoutControls(v any) any {
	shown := v
	if p := reflect.ValueOf(v); p.Kind() == reflect.Pointer && !p.IsNil() {
		shown = p.Elem().Interface() // as templates print it
	}
	text := fmt.Sprint(shown)
	if clean := term.PrintableLines(text); clean != text {
		return clean
	}
	return v
}
