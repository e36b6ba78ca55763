package server

import (
	"context"
	"net/netip"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/miekg/dns"
)

// upstream are the servers of the outside.
type upstream struct {
	path string // of the host's resolv.conf

	mu     sync.Mutex
	host   hostResolvers
	info   os.FileInfo              // of path when host was read, nil when it was not there
	sure   bool                     // that host is what the file with that info says
	turn   int                      // whose turn it is with rotate
	silent map[netip.Addr]time.Time // since when a server has not answered
}

// avoidance is how long a server that did not answer is asked after the others.
const avoidance = 30 * time.Second

// forward asks servers, or those of the host where there are none, for the answer. Servers in ourselves are not asked.
func (u *upstream) forward(ctx context.Context, q query, servers []netip.Addr, ourselves map[netip.Addr]bool) *dns.Msg {
	h := u.current()
	if len(servers) > 0 {
		h.servers = servers
	}
	h.servers = slices.DeleteFunc(slices.Clone(h.servers), func(s netip.Addr) bool { return ourselves[s.Unmap()] })
	var last *dns.Msg
	for range h.attempts {
		for _, server := range u.order(h) {
			reply, err := u.exchange(ctx, server, h.patience(), q)
			if ctx.Err() != nil {
				return nil // the server ends
			}
			if err == nil && !refuses(reply) {
				return reply
			}
			if err == nil {
				last = reply
			}
		}
		if last != nil { // asking again gives the same
			return last
		}
	}
	return q.reply(dns.RcodeServerFailure)
}

// patience is how long to wait for one server. Whoever asks waits as long as the host's libc, so the second of several is asked
// before that is over.
func (h hostResolvers) patience() time.Duration {
	return max(h.timeout/time.Duration(max(len(h.servers), 1)), time.Second)
}

// refuses says that another server may do better.
func refuses(reply *dns.Msg) bool {
	switch reply.Rcode {
	case dns.RcodeServerFailure, dns.RcodeRefused, dns.RcodeNotImplemented:
		return true
	}
	return false
}

// current is what the host's resolv.conf says now. A file that is replaced, or a link to another, is another file.
func (u *upstream) current() hostResolvers {
	u.mu.Lock()
	defer u.mu.Unlock()
	info, err := os.Stat(u.path)
	if err != nil {
		info = nil
	}
	if !u.sure || !same(info, u.info) {
		// A change within the same tick would not be seen.
		u.sure = info == nil || time.Since(info.ModTime()) > tick
		u.host, u.info = readResolvConf(u.path), info
		u.silent = map[netip.Addr]time.Time{}
	}
	return u.host
}

func same(a, b os.FileInfo) bool {
	if a == nil || b == nil {
		return a == nil && b == nil
	}
	return os.SameFile(a, b) && a.ModTime().Equal(b.ModTime()) && a.Size() == b.Size()
}

// order is in which order to ask: as they are, or from the next on with rotate, and those that were silent last.
func (u *upstream) order(h hostResolvers) []netip.Addr {
	u.mu.Lock()
	defer u.mu.Unlock()
	servers := slices.Clone(h.servers)
	if h.rotate && len(servers) > 0 {
		u.turn++
		first := u.turn % len(servers)
		servers = slices.Concat(servers[first:], servers[:first])
	}
	slices.SortStableFunc(servers, func(a, b netip.Addr) int { return u.avoid(a) - u.avoid(b) })
	return servers
}

func (u *upstream) avoid(server netip.Addr) int {
	since, silent := u.silent[server]
	if silent && time.Since(since) < avoidance {
		return 1
	}
	return 0
}

// exchange asks one server, and remembers whether it answered.
func (u *upstream) exchange(ctx context.Context, server netip.Addr, patience time.Duration, q query) (*dns.Msg, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	reply, err := exchange(ctx, server, q)
	u.mu.Lock()
	defer u.mu.Unlock()
	if err == nil {
		delete(u.silent, server)
	} else {
		u.silent[server] = time.Now()
	}
	return reply, err
}
