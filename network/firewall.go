package network

import (
	"fmt"
	"net"
	"net/netip"
	"os"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
)

// masquerade lets packets from a network leave a namespace with the address of the interface they leave by:
//
//	table ip moss { chain postrouting { type nat hook postrouting priority srcnat;
//		ip saddr NETWORK oifname != "moss0" masquerade } }
//
// It replaces, at one stroke, a table that is there.
func masquerade(ns *os.File, network netip.Prefix) error {
	conn, err := nftables.New(nftables.WithNetNSFd(int(ns.Fd())))
	if err != nil {
		return err
	}
	table := &nftables.Table{Family: nftables.TableFamilyIPv4, Name: "moss"}
	conn.AddTable(table) // deleting wants one
	conn.DelTable(table)
	conn.AddTable(table)
	chain := conn.AddChain(&nftables.Chain{
		Name: "postrouting", Table: table, Type: nftables.ChainTypeNAT,
		Hooknum: nftables.ChainHookPostrouting, Priority: nftables.ChainPriorityNATSource,
	})
	conn.AddRule(&nftables.Rule{Table: table, Chain: chain, Exprs: append(fromNetwork(network), notToBridge()...)})
	if err = conn.Flush(); err != nil {
		return fmt.Errorf("cannot set up address translation (nftables, module nf_nat): %w", err)
	}
	return nil
}

// fromNetwork is "ip saddr NETWORK".
func fromNetwork(network netip.Prefix) []expr.Any {
	const sourceOffset, length = 12, 4 // of an IPv4 header, RFC 791
	return []expr.Any{
		&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseNetworkHeader, Offset: sourceOffset, Len: length},
		&expr.Bitwise{SourceRegister: 1, DestRegister: 1, Len: length, Mask: net.CIDRMask(network.Bits(), 32), Xor: make([]byte, length)},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: network.Addr().AsSlice()},
	}
}

// notToBridge is "oifname != moss0 masquerade".
func notToBridge() []expr.Any {
	const ifnamsiz = 16
	name := make([]byte, ifnamsiz)
	copy(name, bridgeName)
	return []expr.Any{
		&expr.Meta{Key: expr.MetaKeyOIFNAME, Register: 1},
		&expr.Cmp{Op: expr.CmpOpNeq, Register: 1, Data: name},
		&expr.Masq{},
	}
}
