package egress

import (
	"fmt"
	"net/netip"
	"slices"
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
			for _, v6 := range []bool{false, true} {
				set := addressSet(table, setName(key(container, bridge), i, j, v6), v6)
				if err := put(conn, set, elements(answers, v6)); err != nil {
					return fmt.Errorf("cannot let container %s reach %s: %w", container, name, err)
				}
			}
		}
	}
	return nil
}

// elements are the addresses of one kind, each once, for as long as its last answer says.
func elements(answers []Answer, v6 bool) (list []nftables.SetElement) {
	seen := map[netip.Addr]int{}
	for _, a := range answers {
		if a.Address.Is6() != v6 {
			continue
		}
		element := nftables.SetElement{Key: a.Address.AsSlice(), Timeout: min(max(a.TTL, 0), longest) + grace}
		if at, again := seen[a.Address]; again {
			list[at] = element
			continue
		}
		seen[a.Address] = len(list)
		list = append(list, element)
	}
	return list
}

// mostAtOnce is how many addresses a message has at most, which has a bound of 64 KB.
const mostAtOnce = 500

// put adds addresses. The kernel leaves the time of one alone that is there already, so that it is removed and added again, in one step.
func put(conn *nftables.Conn, set *nftables.Set, list []nftables.SetElement) error {
	for some := range slices.Chunk(list, mostAtOnce) {
		for _, change := range []func(*nftables.Set, []nftables.SetElement) error{
			conn.SetAddElements, conn.SetDeleteElements, conn.SetAddElements,
		} {
			if err := change(set, some); err != nil {
				return err
			}
		}
		if err := conn.Flush(); err != nil {
			return err
		}
	}
	return nil
}
