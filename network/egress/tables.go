package egress

import (
	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
)

// toNeighbour is the bit of a packet's mark which says that its target is on the bridge it came from: it is only routed to be looked
// at.
const toNeighbour = 1 << 30

// whose are the bits of a mark that say from which cable a packet is, by its index; 0 is from none with a list.
const whose = toNeighbour - 1

// ToNeighbour matches packets that are routed for the sake of lists alone: rules about what may pass between networks are not
// about them.
func ToNeighbour() []expr.Any {
	return append(marked(toNeighbour), &expr.Cmp{Op: expr.CmpOpNeq, Register: reg, Data: word(0)})
}

const tableName = "moss-egress"

// tables are the two that are there for all containers with a list.
type tables struct {
	*nftables.Conn
	frames  *nftables.Table // in the bridges
	packets *nftables.Table // where they are routed
	from    *nftables.Set   // chains for what comes out of a cable, by its index
	to      *nftables.Set   // chains for what goes to a container, by its hardware address
	lists   *nftables.Set   // chains for what is routed, by the mark
	steps   int             // that the kernel has not been asked for yet
}

// mostSteps is how many changes the kernel is asked for at a time, of up to three messages each: it answers each of these, and a socket has room for some 250 answers.
const mostSteps = 40

// step counts a change, one of many that need not be seen all at once.
func (t *tables) step() error {
	if t.steps++; t.steps < mostSteps {
		return nil
	}
	return t.flush()
}

func (t *tables) flush() error {
	t.steps = 0
	return t.Flush()
}

func newTables(c *nftables.Conn) *tables {
	t := &tables{
		Conn:    c,
		frames:  &nftables.Table{Name: tableName, Family: nftables.TableFamilyBridge},
		packets: &nftables.Table{Name: tableName, Family: nftables.TableFamilyINet},
	}
	verdicts := func(table *nftables.Table, name string, by nftables.SetDatatype) *nftables.Set {
		return &nftables.Set{Table: table, Name: name, KeyType: by, DataType: nftables.TypeVerdict, IsMap: true, KeyByteOrder: binaryutil.NativeEndian}
	}
	t.from = verdicts(t.frames, "from", nftables.TypeIFIndex)
	t.to = verdicts(t.frames, "to", nftables.TypeEtherAddr)
	t.to.KeyByteOrder = binaryutil.BigEndian
	t.lists = verdicts(t.packets, "lists", nftables.TypeMark)
	return t
}

// make makes the tables anew: what they had is gone.
func (t *tables) make() error {
	for _, table := range []*nftables.Table{t.frames, t.packets} {
		t.AddTable(table) // so that deleting it cannot fail
		t.DelTable(table)
		t.AddTable(table)
	}
	for _, byKey := range []*nftables.Set{t.from, t.to, t.lists} {
		if err := t.AddSet(byKey, nil); err != nil {
			return err
		}
	}
	bridged := t.base(t.frames, "prerouting", nftables.ChainHookPrerouting)
	t.add(bridged, judge(t.from), []expr.Any{&expr.Meta{Key: expr.MetaKeyIIF, Register: reg}})
	t.add(bridged, judge(t.to), []expr.Any{&expr.Payload{DestRegister: reg, Base: link, Offset: etherTarget, Len: macLength}})
	for name, hook := range map[string]*nftables.ChainHook{"forward": nftables.ChainHookForward, "input": nftables.ChainHookInput} {
		routed := t.base(t.packets, name, hook)
		t.add(routed, judge(t.lists), marked(whose))
		// A mark that nobody has rules for is nobody's.
		t.add(routed, verdict(expr.VerdictDrop), marked(whose), []expr.Any{&expr.Cmp{Op: expr.CmpOpNeq, Register: reg, Data: word(0)}})
	}
	return nil
}

func (t *tables) base(table *nftables.Table, name string, hook *nftables.ChainHook) *nftables.Chain {
	return t.AddChain(&nftables.Chain{
		Name: name, Table: table, Type: nftables.ChainTypeFilter, Hooknum: hook, Priority: nftables.ChainPriorityFilter,
	})
}

// add adds a rule: what to do when all of these match.
func (t *tables) add(chain *nftables.Chain, then expr.Any, when ...[]expr.Any) {
	t.do(chain, append(when, []expr.Any{then})...)
}

func (t *tables) do(chain *nftables.Chain, parts ...[]expr.Any) {
	var list []expr.Any
	for _, p := range parts {
		list = append(list, p...)
	}
	t.AddRule(&nftables.Rule{Table: chain.Table, Chain: chain, Exprs: list})
}
