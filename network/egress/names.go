package egress

import (
	"fmt"
	"net/netip"
	"sync"
	"time"

	"github.com/google/nftables"
)

// Answer is an address that a name has, and for how long.
type Answer struct {
	Address netip.Addr
	TTL     time.Duration
}

// Names lets containers reach the addresses of names that their lists have.
type Names struct {
	mu   sync.Mutex
	conn *nftables.Conn
}

// OpenNames opens the rules of the namespace that the calling thread is in.
func OpenNames() (*Names, error) {
	conn, err := nftables.New(nftables.AsLasting())
	return &Names{conn: conn}, err
}

// Close closes them.
func (n *Names) Close() error { return n.conn.CloseLasting() }

// How long an address may be reached after its name was asked for: who asked may begin a connection at the last moment that the
// answer is good, and a bit later. Names that say longer than a day are asked for once a day all the same.
const (
	grace   = time.Minute
	longest = 24 * time.Hour
)

// Allow lets a container reach the addresses that a name has, by all lists that have the name, over its cable to a bridge. lists are the
// names of each.
func (n *Names) Allow(container, bridge string, lists [][]string, name string, answers []Answer) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	table := &nftables.Table{Name: tableName, Family: nftables.TableFamilyINet}
	for i, list := range lists {
		for j, listed := range list {
			if !Match(listed, name) {
				continue
			}
			for _, v6 := range []bool{false, true} {
				set := addressSet(table, setName(key(container, bridge), i, j, v6), v6)
				if err := n.put(set, elements(answers, v6)); err != nil {
					return err
				}
			}
		}
	}
	if err := n.conn.Flush(); err != nil {
		return fmt.Errorf("cannot let container %s reach %s: %w", container, name, err)
	}
	return nil
}

func elements(answers []Answer, v6 bool) []nftables.SetElement {
	var list []nftables.SetElement
	for _, a := range answers {
		if a.Address.Is6() == v6 {
			list = append(list, nftables.SetElement{Key: a.Address.AsSlice(), Timeout: min(max(a.TTL, 0), longest) + grace})
		}
	}
	return list
}

// put adds elements. The kernel leaves the time of one alone that is there already, so that it is removed and added again, in one step.
func (n *Names) put(set *nftables.Set, elements []nftables.SetElement) error {
	for _, e := range elements {
		one := []nftables.SetElement{e}
		for _, change := range []func(*nftables.Set, []nftables.SetElement) error{
			n.conn.SetAddElements, n.conn.SetDeleteElements, n.conn.SetAddElements,
		} {
			if err := change(set, one); err != nil {
				return err
			}
		}
	}
	return nil
}
