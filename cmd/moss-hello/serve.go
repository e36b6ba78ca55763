package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Limits on a client: a request's head, and the time for all of it.
const (
	maxHead     = 16 << 10
	maxDuration = 10 * time.Second
)

// serve answers requests on addr until SIGTERM or SIGINT, and logs one line for each. Datagrams are answered, too.
func serve(addr string, log io.Writer) error {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	datagrams, err := net.ListenPacket("udp", addr)
	if err != nil {
		return errors.Join(err, l.Close())
	}
	// As process 1 of a container we get no signal that we do not ask for.
	end := make(chan os.Signal, 1)
	signal.Notify(end, syscall.SIGTERM, syscall.SIGINT)
	var clients sync.WaitGroup
	clients.Go(func() {
		<-end
		l.Close()
		datagrams.Close()
	})
	clients.Go(func() { echo(datagrams, log) })
	fmt.Fprintf(log, "serving on %s\n", l.Addr())
	err = accept(l, &clients, log)
	signal.Stop(end)
	close(end)
	clients.Wait()
	return err
}

func accept(l net.Listener, clients *sync.WaitGroup, log io.Writer) error {
	for {
		conn, err := l.Accept()
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			return err
		}
		clients.Go(func() {
			line, err := answer(conn)
			if err != nil {
				line = err.Error()
			}
			fmt.Fprintf(log, "%s %s\n", conn.RemoteAddr(), line)
		})
	}
}

// echo tells each sender of a datagram its address, until the socket is closed.
func echo(conn net.PacketConn, log io.Writer) {
	buf := make([]byte, maxHead)
	for {
		n, from, err := conn.ReadFrom(buf)
		if err != nil {
			return
		}
		fmt.Fprintf(log, "%s a datagram of %d bytes\n", from, n)
		if _, err := fmt.Fprintf(packet{conn, from}, "Your address is %s\n", from); err != nil {
			fmt.Fprintf(log, "%s %v\n", from, err)
		}
	}
}

// packet writes datagrams to one address.
type packet struct {
	net.PacketConn
	to net.Addr
}

func (p packet) Write(b []byte) (int, error) { return p.WriteTo(b, p.to) }

// answer reads one request and answers it; line is the request's first line.
func answer(conn net.Conn) (line string, err error) {
	defer func() { err = errors.Join(err, conn.Close()) }()
	if err := conn.SetDeadline(time.Now().Add(maxDuration)); err != nil {
		return "", err
	}
	line, err = readHead(conn)
	if err != nil {
		return "", err
	}
	body := greeting() + "\nYour address is " + conn.RemoteAddr().String() + "\n"
	_, err = fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\n"+
		"Content-Length: %d\r\nConnection: close\r\n\r\n%s", len(body), body)
	return line, err
}

// readHead reads a request up to its empty line and returns the first one, quoted.
func readHead(r io.Reader) (string, error) {
	lines := bufio.NewScanner(io.LimitReader(r, maxHead))
	var first string
	for lines.Scan() {
		line := strings.TrimRight(lines.Text(), "\r")
		if line == "" {
			return fmt.Sprintf("%q", first), nil
		}
		if first == "" {
			first = line
		}
	}
	return "", errors.Join(errors.New("no complete request"), lines.Err())
}
