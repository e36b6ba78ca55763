package egress

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/google/nftables"
)

// Answer is an address that a name has, and for how long.
type Answer struct {
	Address netip.Addr
	TTL     time.Duration
}

// How long an address may be reached after its name was asked for: who asked may begin a connection at the last moment that the
// answer is good, and a bit later. Names that say longer than a day are asked for once a day all the same.
const (
	grace   = time.Minute
	longest = 24 * time.Hour
)

// Allow lets a container reach the addresses that a name has, by all lists that have the name, over its cable to a bridge of the
// calling thread's namespace. lists are the names of each.
func Allow(container, bridge string, lists [][]string, name string, answers []Answer) error {
	conn, err := nftables.New()
	if err != nil {
		return err
	}
	table := &nftables.Table{Name: tableName, Family: nftables.TableFamilyINet}
	for i, list := range lists {
		for j, listed := range list {
			if !Match(listed, name) {
				continue
			}
			for _, a := range answers {
				v6 := a.Address.Is6()
				set := addressSet(table, setName(key(container, bridge), i, j, v6), v6)
				if err := put(conn, set, a); err != nil {
					return err
				}
			}
		}
	}
	if err := conn.Flush(); err != nil {
		return fmt.Errorf("cannot let container %s reach %s: %w", container, name, err)
	}
	return nil
}

// put adds an address. The kernel leaves the time of one alone that is there already, so that it is removed and added again, in one step.
func put(conn *nftables.Conn, set *nftables.Set, a Answer) error {
	one := []nftables.SetElement{{Key: a.Address.AsSlice(), Timeout: min(max(a.TTL, 0), longest) + grace}}
	for _, change := range []func(*nftables.Set, []nftables.SetElement) error{
		conn.SetAddElements, conn.SetDeleteElements, conn.SetAddElements,
	} {
		if err := change(set, one); err != nil {
			return err
		}
	}
	return nil
}
