package server

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"runtime/debug"
	"sync"
	"syscall"
	"time"

	"github.com/mosscontainers/moss/network/helper"
	"github.com/mosscontainers/moss/pkg/sys"
)

// port is where DNS servers listen.
const port = 53

// listeners are the sockets in the user's network namespace.
type listeners struct {
	resolver *resolver
	visitor  *helper.Visitor
	open     map[netip.Addr]*listener
	ctx      context.Context // of all queries
	cancel   context.CancelFunc
	forwards *slots         // of datagrams that wait for somebody else's answer
	conns    *slots         // of clients that came by TCP
	rest     *time.Timer    // until nobody has asked for a while
	owned    sync.WaitGroup // everything that serves
}

// listener is one gateway's.
type listener struct {
	udp *net.UDPConn
	tcp net.Listener
}

// newListeners opens nothing yet.
func newListeners(netns *os.File, r *resolver) (*listeners, error) {
	visitor, err := helper.Visit(netns)
	if err != nil {
		return nil, err
	}
	l := &listeners{resolver: r, visitor: visitor, open: map[netip.Addr]*listener{}}
	l.forwards, l.conns = newSlots(maxForwarded, maxForwardedEach), newSlots(maxConns, maxConnsEach)
	debug.SetMemoryLimit(memoryLimit)
	l.rest = time.AfterFunc(quiet, rest)
	l.ctx, l.cancel = context.WithCancel(context.Background())
	r.there = l.there
	return l, nil
}

// adjust listens on these addresses and no others. One that cannot be listened on does not keep the others from it.
func (l *listeners) adjust(wanted map[netip.Addr]bool) error {
	l.busy()
	var errs []error
	for addr, old := range l.open {
		if !wanted[addr] {
			errs = append(errs, old.close())
			delete(l.open, addr)
		}
	}
	for addr := range wanted {
		if l.open[addr] != nil {
			continue
		}
		opened, err := l.listen(addr)
		if err != nil {
			errs = append(errs, fmt.Errorf("cannot listen on %s: %w", netip.AddrPortFrom(addr, port), err))
			continue
		}
		l.open[addr] = opened
		l.owned.Go(func() { l.serveUDP(opened.udp) })
		l.owned.Go(func() { l.serveTCP(opened.tcp) })
	}
	return errors.Join(errs...)
}

// listen opens an address, which the bridge need not have yet.
func (l *listeners) listen(addr netip.Addr) (*listener, error) {
	config := net.ListenConfig{Control: freebind}
	opened := &listener{}
	err := l.there(func() error {
		packets, err := config.ListenPacket(l.ctx, "udp", netip.AddrPortFrom(addr, port).String())
		if err == nil {
			opened.udp = packets.(*net.UDPConn)
			opened.tcp, err = config.Listen(l.ctx, "tcp", netip.AddrPortFrom(addr, port).String())
		}
		return err
	})
	if err != nil {
		return nil, errors.Join(err, opened.close())
	}
	return opened, nil
}

// there does something in the user's network namespace.
func (l *listeners) there(do func() error) (err error) {
	l.visitor.Do(func() { err = do() })
	return err
}

func freebind(_, _ string, conn syscall.RawConn) error {
	var err error
	controlErr := conn.Control(func(fd uintptr) { err = sys.SetFreebind(fd) })
	return errors.Join(controlErr, err)
}

func (l *listener) close() error {
	var errs []error
	if l.udp != nil {
		errs = append(errs, l.udp.Close())
	}
	if l.tcp != nil {
		errs = append(errs, l.tcp.Close())
	}
	return errors.Join(errs...)
}

// close ends all sockets and queries, and waits for them.
func (l *listeners) close() error {
	l.cancel()
	err := l.adjust(nil)
	l.rest.Stop()
	l.owned.Wait()
	l.visitor.Leave()
	return err
}
