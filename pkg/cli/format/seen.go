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

// harmless is the function that defuse has values go through.
const harmless = "_harmless"

// defuse has every value that the template prints go through withoutControls: it may be an image's or a container's choice. The text around
// the values is the user's own, with its colours.
func defuse(tmpl *template.Template) {
	for _, t := range tmpl.Templates() {
		defuseNode(t.Root)
	}
}

func defuseNode(n parse.Node) {
	switch n := n.(type) {
	case *parse.ListNode:
		if n != nil {
			for _, one := range n.Nodes {
				defuseNode(one)
			}
		}
	case *parse.ActionNode:
		if len(n.Pipe.Decl) == 0 {
			call := parse.NewIdentifier(harmless).SetPos(n.Pos)
			n.Pipe.Cmds = append(n.Pipe.Cmds, &parse.CommandNode{NodeType: parse.NodeCommand, Pos: n.Pos, Args: []parse.Node{call}})
		}
	case *parse.IfNode:
		defuseBranch(&n.BranchNode)
	case *parse.RangeNode:
		defuseBranch(&n.BranchNode)
	case *parse.WithNode:
		defuseBranch(&n.BranchNode)
	}
}

func defuseBranch(b *parse.BranchNode) {
	defuseNode(b.List)
	defuseNode(b.ElseList)
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
