package server

import (
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/mosscontainers/moss/network/dns"
	"github.com/mosscontainers/moss/pkg/sys"
)

// zones are the networks as their files say, which are looked at when somebody asks: what a command has written is known
// when it goes on, and nothing needs to be told.
type zones struct {
	dir  string
	mu   sync.Mutex
	nets map[string]*zone // by the names of their directories
	read stamp            // of dir
}

// zone is one network.
type zone struct {
	network   dns.Network
	entries   map[string]dns.Entry    // by the containers' ids
	files     map[string]os.FileInfo  // what entries were read from
	names     map[string][]string     // ids by lower case name
	addresses map[netip.Addr][]string // ids by address
	read      stamp                   // of the directory
}

// stamp says how a directory was when it was read.
type stamp struct{ changed, read time.Time }

// tick is more than the unit in which file systems tell time: a change within it may not be seen.
const tick = 50 * time.Millisecond

// current says whether a directory cannot have changed since.
func (s stamp) current(info os.FileInfo) bool {
	return info.ModTime().Equal(s.changed) && s.read.Sub(s.changed) > tick
}

// refresh reads what has changed. The caller holds the lock.
func (z *zones) refresh() {
	info, err := os.Stat(z.dir)
	if err != nil {
		clear(z.nets)
		z.read = stamp{}
		return
	}
	if !z.read.current(info) {
		z.list(info)
	}
	for name, n := range z.nets {
		info, err := os.Stat(filepath.Join(z.dir, name))
		if err == nil && !n.read.current(info) {
			z.nets[name] = n.load(filepath.Join(z.dir, name), info)
		}
	}
}

// list finds the directories of networks that have come or gone.
func (z *zones) list(info os.FileInfo) {
	now := time.Now()
	dirs, err := os.ReadDir(z.dir)
	if err != nil {
		return
	}
	old := z.nets
	z.nets = make(map[string]*zone, len(dirs))
	for _, d := range dirs {
		if !d.IsDir() {
			continue
		}
		z.nets[d.Name()] = &zone{}
		if n, ok := old[d.Name()]; ok {
			z.nets[d.Name()] = n
		}
	}
	z.read = stamp{info.ModTime(), now}
}

// load reads a network's directory; what is damaged in it is as if it were not there.
func (n *zone) load(dir string, info os.FileInfo) *zone {
	now := &zone{
		read: stamp{info.ModTime(), time.Now()}, entries: map[string]dns.Entry{}, files: map[string]os.FileInfo{},
		names: map[string][]string{}, addresses: map[netip.Addr][]string{},
	}
	files, err := os.ReadDir(dir)
	if err == nil {
		now.network, err = dns.ReadNetwork(dir)
	}
	if err != nil {
		return now
	}
	for _, f := range files {
		if id, ok := dns.Container(f.Name()); ok {
			now.add(n, dir, id, f)
		}
	}
	return now
}

// add reads a container's file, unless it is the one that was read before.
func (n *zone) add(before *zone, dir, id string, f os.DirEntry) {
	info, err := f.Info()
	if err != nil {
		return
	}
	e, known := before.entries[id]
	if !known || !same(info, before.files[id]) {
		if e, err = dns.ReadEntry(dir, id); err != nil {
			return
		}
	}
	n.entries[id], n.files[id] = e, info
	for _, name := range e.Names {
		if name = strings.ToLower(name); !slices.Contains(n.names[name], id) {
			n.names[name] = append(n.names[name], id)
		}
	}
	for _, a := range e.Addresses {
		n.addresses[a.Unmap()] = append(n.addresses[a.Unmap()], id)
	}
}

// living is the entry of a container that lives.
func (n *zone) living(id string) (dns.Entry, bool) {
	e, ok := n.entries[id]
	return e, ok && e.Process.Alive()
}

// of are the networks that the container with this address is on, sorted, and the servers that are to be asked for it; none
// when nobody living has the address.
func (z *zones) of(asker netip.Addr) (own []*zone, servers []netip.Addr) {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.refresh()
	id, ok := z.container(asker)
	if !ok {
		return nil, nil
	}
	for _, name := range slices.Sorted(maps.Keys(z.nets)) {
		if e, ok := z.nets[name].living(id); ok {
			own, servers = append(own, z.nets[name]), e.Servers
		}
	}
	return own, servers
}

// container is the id of the living container with this address. Subnets of one user do not overlap.
func (z *zones) container(addr netip.Addr) (id string, ok bool) {
	for _, n := range z.nets {
		for _, id := range n.addresses[addr] {
			if _, ok := n.living(id); ok {
				return id, true
			}
		}
	}
	return "", false
}

// dirs are the networks' directories.
func (z *zones) dirs() []string {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.refresh()
	dirs := make([]string, 0, len(z.nets))
	for name := range z.nets {
		dirs = append(dirs, filepath.Join(z.dir, name))
	}
	return dirs
}

// gateways are the addresses to listen on.
func (z *zones) gateways() map[netip.Addr]bool {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.refresh()
	all := map[netip.Addr]bool{}
	for _, n := range z.nets {
		for _, g := range n.network.Gateways {
			all[g.Unmap()] = true
		}
	}
	return all
}

// anybody is the process of a living container, the preferred one where it still counts.
func (z *zones) anybody(preferred sys.Process) (sys.Process, bool) {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.refresh()
	var other sys.Process
	for _, n := range z.nets {
		for _, e := range n.entries {
			switch {
			case e.Process == preferred && e.Process.Alive():
				return e.Process, true
			case other.Pid == 0 && e.Process.Alive():
				other = e.Process
			}
		}
	}
	return other, other.Pid != 0
}
