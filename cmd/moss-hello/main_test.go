package main

import (
	"bytes"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestGreetingNamesEveryFact(t *testing.T) {
	var out, errOut bytes.Buffer
	if code := run(nil, &out, &errOut); code != 0 || errOut.Len() > 0 {
		t.Fatalf("exit code %d, standard error %q", code, &errOut)
	}
	for _, want := range []string{"process", "outside", "hostname", "namespaces", "user ", "pid ", "seccomp", "started"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is missing in:\n%s", want, &out)
		}
	}
}

func TestUnknownArgumentIsOneSentence(t *testing.T) {
	var out, errOut bytes.Buffer
	code := run([]string{"sing"}, &out, &errOut)
	if code != 2 || out.Len() > 0 || strings.Count(errOut.String(), "\n") != 1 {
		t.Errorf("exit code %d, output %q, standard error %q", code, &out, &errOut)
	}
}

func TestOutsideID(t *testing.T) {
	const rootless = "         0       1001          1\n         1     100000      65536\n"
	for _, c := range []struct {
		name      string
		uidMap    string
		uid       int
		id, count int
	}{
		{"root is the user", rootless, 0, 1001, 65537},
		{"others are subordinate", rootless, 33, 100032, 65537},
		{"beyond the map", rootless, 70000, -1, 65537},
		{"the whole range of the host", "0 0 4294967295\n", 7, 7, 4294967295},
		{"nothing mapped", "", 0, -1, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			if id, count := outsideID(c.uidMap, c.uid); id != c.id || count != c.count {
				t.Errorf("got %d of %d, want %d of %d", id, count, c.id, c.count)
			}
		})
	}
}

func TestTimeSinceStartIsAnUpperBound(t *testing.T) {
	stat := "1 (a ) b) S 0 1 1 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 12345 4096 1\n"
	got, err := sinceStart(stat, "123.47 200.00\n")
	if want := 30 * time.Millisecond; err != nil || got != want {
		t.Errorf("got %v, %v; want %v", got, err, want)
	}
	if _, err := sinceStart("nonsense", "1 1"); err == nil {
		t.Error("nonsense was understood")
	}
}

func TestServeAnswersWithTheClientsAddress(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	var clients, server sync.WaitGroup
	server.Go(func() { err = accept(l, &clients, &log) })

	conn, dialErr := net.Dial("tcp", l.Addr().String())
	if dialErr != nil {
		t.Fatal(dialErr)
	}
	client := conn.LocalAddr().String()
	if _, err := io.WriteString(conn, "GET /x HTTP/1.1\r\nHost: h\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	got, readErr := io.ReadAll(conn)
	if readErr != nil {
		t.Fatal(readErr)
	}
	l.Close()
	server.Wait()
	clients.Wait()
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(string(got), "HTTP/1.1 200 OK\r\n") || !strings.Contains(string(got), "Your address is "+client) {
		t.Errorf("got %s", got)
	}
	if want := client + " \"GET /x HTTP/1.1\"\n"; log.String() != want {
		t.Errorf("logged %q, want %q", log.String(), want)
	}
}
