package netstack

import (
	"net/netip"
	"testing"

	"github.com/mosscontainers/moss/network/uplink"
)

// One container that speaks with everybody must not keep the others from asking for a name.
func TestANewFlowTakesThePlaceOfASilentOne(t *testing.T) {
	addresses := uplink.In(uplink.Subnet)
	d := newDatagrams(nil, newOutside(Options{IPv4: addresses, HostLoopback: true}))
	defer d.close()
	const most = 100
	d.most = most
	from := func(i int) flowID {
		return flowID{netip.AddrPortFrom(addresses.Own.Addr(), uint16(i+1)), netip.AddrPortFrom(addresses.Gateway, 9)}
	}
	for i := range 2 * most {
		if d.flow(from(i)) == nil {
			t.Fatalf("flow %d was refused", i)
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.flows) != most || d.flows[from(2*most-1)] == nil {
		t.Errorf("there are %d flows, or the last one is not among them", len(d.flows))
	}
}
