package network

import (
	"github.com/google/nftables"
	"github.com/google/nftables/expr"
)

const uplinkName = "tap0"

// translate installs the rules of the user's namespace, which the calling thread is in: what leaves through
// the uplink carries the uplink's address, and nothing is routed from one container to another.
func translate() error {
	c, err := nftables.New()
	if err != nil {
		return err
	}
	table := &nftables.Table{Name: "moss", Family: nftables.TableFamilyIPv4}
	c.AddTable(table) // so that deleting it cannot fail
	c.DelTable(table)
	c.AddTable(table)
	nat := c.AddChain(&nftables.Chain{
		Name: "postrouting", Table: table, Type: nftables.ChainTypeNAT,
		Hooknum: nftables.ChainHookPostrouting, Priority: nftables.ChainPriorityNATSource,
	})
	c.AddRule(&nftables.Rule{Table: table, Chain: nat, Exprs: append(
		linkIs(expr.MetaKeyOIFNAME, uplinkName), &expr.Masq{},
	)})
	forward := c.AddChain(&nftables.Chain{
		Name: "forward", Table: table, Type: nftables.ChainTypeFilter,
		Hooknum: nftables.ChainHookForward, Priority: nftables.ChainPriorityFilter,
	})
	between := append(linkIs(expr.MetaKeyIIFNAME, bridgeName), linkIs(expr.MetaKeyOIFNAME, bridgeName)...)
	c.AddRule(&nftables.Rule{Table: table, Chain: forward, Exprs: append(
		between, &expr.Verdict{Kind: expr.VerdictDrop},
	)})
	return c.Flush()
}

// linkIs matches packets whose interface in the direction key has this name.
func linkIs(key expr.MetaKey, name string) []expr.Any {
	const ifnamsiz = 16
	padded := make([]byte, ifnamsiz)
	copy(padded, name)
	return []expr.Any{
		&expr.Meta{Key: key, Register: 1},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: padded},
	}
}
