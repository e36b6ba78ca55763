package server

import (
	"net/netip"
	"sync"
)

// slots bound how much goes on at once, in all and for each asker, so that one cannot keep the others from being served.
type slots struct {
	mu        sync.Mutex
	all, each int
	taken     int
	by        map[netip.Addr]int
}

func newSlots(all, each int) *slots {
	return &slots{all: all, each: each, by: map[netip.Addr]int{}}
}

// take says whether there is a slot for the asker, who has it until free.
func (s *slots) take(asker netip.Addr) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.taken >= s.all || s.by[asker] >= s.each {
		return false
	}
	s.taken++
	s.by[asker]++
	return true
}

func (s *slots) free(asker netip.Addr) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.taken--
	if s.by[asker]--; s.by[asker] == 0 {
		delete(s.by, asker)
	}
}
