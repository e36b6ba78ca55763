package egress

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"

	"github.com/mosscontainers/moss/pkg/sys"
)

// Hold makes the rules for a cable, in the namespace that the calling thread is in. Nothing may pass the cable before. lockPath is
// the file that those lock who change the rules; living says whether there is a link of an index. The rules of cables that are
// gone, and of the same container's last one to the same bridge, are removed.
func Hold(c Cable, lockPath string, living func(index int) bool) error {
	lock, err := sys.LockFile(lockPath, false)
	if err != nil {
		return err
	}
	defer lock.Unlock()
	conn, err := nftables.New()
	if err != nil {
		return err
	}
	t := newTables(conn)
	if err := errors.Join(t.prepare(c, living), t.flush()); err != nil {
		return err
	}
	h := held{tables: t, Cable: c, key: key(c.Container, c.Bridge)}
	if err := h.rules(); err != nil {
		return err
	}
	return t.flush()
}

// prepare makes the tables, or what is to go from them go.
func (t *tables) prepare(c Cable, living func(int) bool) error {
	packets, err := t.ListTablesOfFamily(nftables.TableFamilyINet)
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(packets, func(p *nftables.Table) bool { return p.Name == tableName }) {
		return t.make()
	}
	chains, err := t.ListChainsOfTableFamily(nftables.TableFamilyINet)
	if err != nil {
		return err
	}
	for _, chain := range chains {
		old, ok := parseHeld(chain.Name)
		if !ok || chain.Table.Name != tableName {
			continue
		}
		if old.key == key(c.Container, c.Bridge) || !living(old.Index) {
			if err := t.remove(old, chains); err != nil {
				return err
			}
		}
	}
	return nil
}

// remove removes what there is of a cable, which is all or what somebody had made or left when he was killed: what refers to something goes first,
// and the chains by which a cable is known go last.
func (t *tables) remove(old held, packetChains []*nftables.Chain) error {
	for set, by := range map[*nftables.Set][]byte{t.from: word(uint32(old.Index)), t.lists: word(uint32(old.Index)), t.to: old.MAC} {
		there, err := t.GetSetElements(set)
		if err != nil {
			return err
		}
		if !slices.ContainsFunc(there, func(e nftables.SetElement) bool { return bytes.Equal(e.Key, by) }) {
			continue
		}
		if err := t.SetDeleteElements(set, []nftables.SetElement{{Key: by}}); err != nil {
			return err
		}
	}
	old.tables = t
	t.FlushChain(old.chain(t.packets, heldKind))
	if err := t.removeLists(old, packetChains); err != nil {
		return err
	}
	for _, kind := range []string{fromKind, toKind, neighboursKind} {
		t.DelChain(old.chain(t.frames, kind))
	}
	t.DelChain(old.chain(t.packets, heldKind))
	return t.step()
}

// removeLists removes the lists of a cable that nothing refers to any more, and their sets.
func (t *tables) removeLists(old held, packetChains []*nftables.Chain) error {
	for _, chain := range packetChains {
		if chain.Table.Name == tableName && strings.HasPrefix(chain.Name, listKind+"."+old.key+".") {
			t.DelChain(&nftables.Chain{Name: chain.Name, Table: t.packets})
			if err := t.step(); err != nil {
				return err
			}
		}
	}
	sets, err := t.GetSets(t.packets)
	if err != nil {
		return err
	}
	for _, set := range sets {
		if strings.HasPrefix(set.Name, old.key+".") {
			t.DelSet(&nftables.Set{Name: set.Name, Table: t.packets})
			if err := t.step(); err != nil {
				return err
			}
		}
	}
	return nil
}

// held is a cable with its rules.
type held struct {
	*tables
	Cable
	key string
}

// The chains of a cable begin so.
const (
	fromKind       = "from"       // frames that come out of it
	toKind         = "to"         // frames to the container
	neighboursKind = "neighbours" // neighbour discovery
	heldKind       = "held"       // packets, as they are routed
	listKind       = "list"       // what one list says of them
)

// chain is one of the chains that there is one of. Their names say what the maps have of the cable.
func (h *held) chain(table *nftables.Table, kind string) *nftables.Chain {
	name := strings.Join([]string{kind, strconv.Itoa(h.Index), hex.EncodeToString(h.MAC), h.key}, ".")
	return &nftables.Chain{Name: name, Table: table}
}

// parseHeld reads the name of a chain of heldKind.
func parseHeld(name string) (h held, ok bool) {
	parts := strings.SplitN(name, ".", 4)
	if len(parts) != 4 || parts[0] != heldKind {
		return h, false
	}
	index, err := strconv.Atoi(parts[1])
	mac, macErr := hex.DecodeString(parts[2])
	h.Index, h.MAC, h.key = index, mac, parts[3]
	return h, err == nil && macErr == nil
}

// rules makes all of a cable's.
func (h *held) rules() error {
	if h.Index <= 0 || h.Index > whose || len(h.MAC) != macLength || len(h.BridgeMAC) != macLength {
		return fmt.Errorf("the link %d of %s at %s cannot be told from others", h.Index, h.MAC, h.BridgeMAC)
	}
	from, err := h.frames()
	if err != nil {
		return err
	}
	to := h.delivery()
	held, err := h.packets()
	if err != nil {
		return err
	}
	for _, e := range []struct {
		set   *nftables.Set
		by    []byte
		chain *nftables.Chain
	}{
		{h.from, word(uint32(h.Index)), from}, {h.to, h.MAC, to}, {h.lists, word(uint32(h.Index)), held},
	} {
		element := nftables.SetElement{Key: e.by, VerdictData: &expr.Verdict{Kind: expr.VerdictGoto, Chain: e.chain.Name}}
		if err := h.SetAddElements(e.set, []nftables.SetElement{element}); err != nil {
			return err
		}
	}
	return nil
}

// linkLocal is the address that the kernel gives an interface by its hardware address (RFC 4291, 2.5.1 and appendix A).
func linkLocal(mac net.HardwareAddr) netip.Addr {
	a := [16]byte{0: 0xfe, 1: 0x80, 8: mac[0] ^ 2, 9: mac[1], 10: mac[2], 11: 0xff, 12: 0xfe, 13: mac[3], 14: mac[4], 15: mac[5]}
	return netip.AddrFrom16(a)
}
