package dns_test

import (
	"sync"
	"testing"

	"github.com/mosscontainers/moss/network/dns"
)

// One command starts several containers of a network side by side, and each of them tells of it.
func TestSeveralTellOfANetworkAtOnce(t *testing.T) {
	dir := t.TempDir()
	var tellers sync.WaitGroup
	for range 8 {
		tellers.Go(func() {
			for range 100 {
				if err := dns.WriteNetwork(dir, "moss1", dns.Network{Name: "n"}); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	tellers.Wait()
	if n, err := dns.ReadNetwork(dns.Dir(dir) + "/moss1"); err != nil || n.Name != "n" {
		t.Errorf("%+v, %v", n, err)
	}
}
