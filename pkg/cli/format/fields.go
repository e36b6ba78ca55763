package format

import "text/template/parse"

// eachField calls visit with the path of every field of the outermost dot that a template uses:
// {{.State.Status}} and {{$.State.Status}} are ["State" "Status"]. Inside range and with the dot is
// another, and only $ is looked at. visit may replace the names in the path. The first error ends the walk.
func eachField(part parse.Node, visit func(path []string) error) error {
	w := &fieldWalk{visit: visit}
	w.node(part, true)
	return w.err
}

type fieldWalk struct {
	visit func([]string) error
	err   error
}

// node walks n; outer says that the dot is still the outermost one.
func (w *fieldWalk) node(n parse.Node, outer bool) {
	switch n := n.(type) {
	case *parse.ListNode:
		if n != nil {
			w.nodes(n.Nodes, outer)
		}
	case *parse.ActionNode:
		w.pipe(n.Pipe, outer)
	case *parse.IfNode:
		w.branch(&n.BranchNode, outer, outer)
	case *parse.RangeNode:
		w.branch(&n.BranchNode, outer, false)
	case *parse.WithNode:
		w.branch(&n.BranchNode, outer, false)
	case *parse.TemplateNode:
		w.pipe(n.Pipe, outer)
	case *parse.PipeNode:
		w.pipe(n, outer)
	case *parse.ChainNode:
		w.node(n.Node, outer)
	case *parse.FieldNode:
		if outer {
			w.field(n.Ident)
		}
	case *parse.VariableNode:
		if n.Ident[0] == "$" && len(n.Ident) > 1 {
			w.field(n.Ident[1:])
		}
	}
}

func (w *fieldWalk) nodes(nodes []parse.Node, outer bool) {
	for _, n := range nodes {
		w.node(n, outer)
	}
}

func (w *fieldWalk) branch(b *parse.BranchNode, outer, inBody bool) {
	w.pipe(b.Pipe, outer)
	w.node(b.List, inBody)
	w.node(b.ElseList, outer)
}

func (w *fieldWalk) pipe(p *parse.PipeNode, outer bool) {
	if p == nil {
		return
	}
	for _, c := range p.Cmds {
		w.nodes(c.Args, outer)
	}
}

func (w *fieldWalk) field(path []string) {
	if w.err == nil {
		w.err = w.visit(path)
	}
}
