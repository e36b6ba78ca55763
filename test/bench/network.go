package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// netImage has iperf3 in it; it is made when a row needs it.
const netImage = "localhost/benchnet"

// An uplink is one way out of a container: a program, and a network of it.
type uplink struct {
	name    string
	program func(*bed) string
	network string
	conf    string // MOSS_UPLINK, "" for the default
}

// The first is the default: the ratios are its.
var uplinks = []uplink{
	{name: "moss-uplink", program: mossOf},
	{name: "slirp4netns", program: mossOf, conf: "slirp4netns"},
	{name: "pasta", program: mossOf, conf: "pasta"},
	{name: "podman, slirp4netns", program: podmanOf, network: "slirp4netns"},
}

func mossOf(b *bed) string { return b.moss }

func podmanOf(*bed) string { return "podman" }

// networks are the rows about the network: what a row measures, once for each uplink.
func networks() []row {
	var rows []row
	for _, streams := range []int{1, 32} {
		rows = append(
			rows,
			row{name: fmt.Sprintf("container to host, %d streams, Gbit/s", streams), figure: compare(func(b *bed, u uplink) (float64, error) { return outward(b, u, streams) })},
			row{name: fmt.Sprintf("host to container through `-p`, %d streams, Gbit/s", streams), figure: compare(func(b *bed, u uplink) (float64, error) { return inward(b, u, streams) })},
			row{name: fmt.Sprintf("loopback itself, %d streams, Gbit/s", streams), figure: func(b *bed) (string, error) {
				gbits, err := loopback(b, streams)
				return fmt.Sprintf("%.1f | – | – | – | –", gbits), err
			}},
		)
	}
	return append(
		rows,
		row{name: "connections through `-p`, per second", figure: compare(func(b *bed, u uplink) (float64, error) {
			rate, _, err := connections(b, u)
			return rate, err
		})},
		row{name: "a connection through `-p`, one after another, µs", figure: compare(func(b *bed, u uplink) (float64, error) {
			_, latency, err := connections(b, u)
			return latency, err
		})},
		row{name: "helpers at 1, 10 and 100 containers, PSS, MB", figure: helpers(false)},
		row{name: "helpers at 1, 10 and 100 containers with a port each, PSS, MB", figure: helpers(true)},
	)
}

// compare measures each uplink three times in turns and says the medians: moss's in one field, in the order of uplinks, then podman's
// and the ratio with the same uplink.
func compare(measure func(*bed, uplink) (float64, error)) func(*bed) (string, error) {
	return func(b *bed) (string, error) {
		if err := b.netImage(); err != nil {
			return "", err
		}
		of := make([][]float64, len(uplinks))
		for range 3 {
			for i, u := range uplinks {
				if err := b.choose(u); err != nil {
					return "", err
				}
				v, err := measure(b, u)
				if err != nil {
					return "", fmt.Errorf("%s: %w", u.name, err)
				}
				of[i] = append(of[i], v)
			}
		}
		var ours []string
		figures := make([]float64, len(uplinks))
		for i := range of {
			slices.Sort(of[i])
			figures[i] = of[i][len(of[i])/2]
			if uplinks[i].network == "" {
				ours = append(ours, fmt.Sprintf("%s %.3g", uplinks[i].name, figures[i]))
			}
		}
		podman := figures[len(figures)-1]
		return fmt.Sprintf("%s | %.3g | %.2f | – | –", strings.Join(ours, ", "), podman, figures[0]/podman), nil
	}
}

// choose makes u the uplink of the containers that start next, once the one before has ended with its holder.
func (b *bed) choose(u uplink) error {
	b.env = append(b.env, "MOSS_UPLINK="+u.conf)
	for range 300 {
		there, err := b.holds()
		if err != nil || !there {
			return err
		}
		time.Sleep(100 * time.Millisecond)
	}
	return errors.New("the holder of the namespaces has not ended, and with it the uplink before, which would be measured in place of " + u.name)
}

// holds says whether moss has a holder.
func (b *bed) holds() (bool, error) {
	if b.moss == "" {
		return false, nil
	}
	dir, err := b.output(b.moss, "info", "--format", "{{.Host.RuntimeDir}}")
	if err != nil {
		return false, err
	}
	_, err = os.Stat(filepath.Join(strings.TrimSpace(dir), "moss/ns/holder"))
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	return true, err
}

// netImage makes the image with the host's iperf3 and the libraries that it needs.
func (b *bed) netImage() error {
	if b.moss == "" || b.run(b.moss, "image", "exists", netImage) == nil {
		return nil
	}
	b.env = append(b.env, "MOSS_LINGER=1")
	tree, tar := filepath.Join(b.dir, "nettree"), filepath.Join(b.dir, "net.tar")
	script := `set -e; cp -r "$1" "$2"; ln -sf busybox "$2/bin/httpd"; mkdir -p "$2/tmp" "$2/www"; echo ok > "$2/www/index.html"
cp "$(command -v iperf3)" "$2/bin/"; ldd "$(command -v iperf3)" | grep -o '/[^ ]*' | while read -r lib; do mkdir -p "$2/${lib%/*}"; cp -L "$lib" "$2/$lib"; done
tar -C "$2" -cf "$3" .`
	return firstOf(
		b.run("sh", "-c", script, "sh", filepath.Join(b.dir, "tree"), tree, tar),
		b.run(b.moss, "import", "-q", tar, netImage),
	)
}

// start starts a container in the background; end removes it.
func (b *bed) start(u uplink, args ...string) (end func() error, err error) {
	line := []string{u.program(b), "run", "-d", "--name", "net"}
	if u.network != "" {
		line = append(line, "--network", u.network)
	}
	end = func() error { return b.quiet(u.program(b), "rm", "-f", "-t", "0", "net") }
	return end, b.quiet(append(line, args...)...)
}

// outward is how fast a container sends to the host's own address.
func outward(b *bed, u uplink, streams int) (gbits float64, err error) {
	address, err := hostAddress()
	if err != nil {
		return 0, err
	}
	port, stop, err := b.serve(address)
	if err != nil {
		return 0, err
	}
	defer stop()
	end, err := b.start(u, netImage, "sleep", "1000")
	if err != nil {
		return 0, err
	}
	defer func() { err = firstOf(err, end()) }()
	return b.iperf(append([]string{u.program(b), "exec", "net"}, client(address, port, streams)...)...)
}

// inward is how fast the host sends to a published port.
func inward(b *bed, u uplink, streams int) (gbits float64, err error) {
	port, err := freePort()
	if err != nil {
		return 0, err
	}
	end, err := b.start(u, "-p", port+":5201", netImage, "iperf3", "-s")
	if err != nil {
		return 0, err
	}
	defer func() { err = firstOf(err, end()) }()
	return b.iperf(client("127.0.0.1", port, streams)...)
}

func loopback(b *bed, streams int) (float64, error) {
	port, stop, err := b.serve("127.0.0.1")
	if err != nil {
		return 0, err
	}
	defer stop()
	return b.iperf(client("127.0.0.1", port, streams)...)
}

// serve runs an iperf3 server on the host.
func (b *bed) serve(address string) (port string, stop func(), err error) {
	if port, err = freePort(); err != nil {
		return "", nil, err
	}
	server := b.command("iperf3", "-s", "-B", address, "-p", port)
	if err := server.Start(); err != nil {
		return "", nil, err
	}
	return port, func() {
		_ = server.Process.Kill() // it is still there, or it failed and the client says so
		_ = server.Wait()
	}, nil
}

func client(address, port string, streams int) []string {
	return []string{"iperf3", "-J", "-t", "3", "-O", "1", "-c", address, "-p", port, "-P", strconv.Itoa(streams)}
}

// report is what iperf3 says at its end.
type report struct {
	Error string
	End   struct {
		Received struct {
			Bits float64 `json:"bits_per_second"`
		} `json:"sum_received"`
	}
}

// iperf runs a client until its server listens, and reads what the server received.
func (b *bed) iperf(args ...string) (gbits float64, err error) {
	for range 20 {
		var r report
		var out bytes.Buffer
		cmd := b.command(args...)
		cmd.Stdout = &out
		runErr := cmd.Run()
		err = json.Unmarshal(out.Bytes(), &r)
		switch {
		case err == nil && r.Error != "":
			err = errors.New(r.Error)
		case err == nil && runErr == nil:
			return r.End.Received.Bits / 1e9, nil
		}
		time.Sleep(200 * time.Millisecond)
	}
	return 0, fmt.Errorf("iperf3: %w", err)
}

var (
	requests = regexp.MustCompile(`Requests/sec:\s+([0-9.]+)`)
	latency  = regexp.MustCompile(`Latency\s+([0-9.]+)(us|ms|s)`)
)

// connections are how many connections per second a published port takes from sixteen clients, and how long one alone takes in µs: each
// is opened, asks for a page, and is closed.
func connections(b *bed, u uplink) (rate, micros float64, err error) {
	port, err := freePort()
	if err != nil {
		return 0, 0, err
	}
	end, err := b.start(u, "-p", port+":80", netImage, "httpd", "-f", "-p", "80", "-h", "/www")
	if err != nil {
		return 0, 0, err
	}
	defer func() { err = firstOf(err, end()) }()
	url := "http://127.0.0.1:" + port + "/"
	for range 50 {
		if _, err := b.output("curl", "-sf", url); err == nil {
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	load := func(clients string, find *regexp.Regexp) ([]string, error) {
		out, err := b.output("wrk", "-t", "1", "-c", clients, "-d", "3", "-H", "Connection: close", url)
		if err != nil {
			return nil, err
		}
		found := find.FindStringSubmatch(out)
		if found == nil {
			return nil, errors.New("cannot understand wrk: " + out)
		}
		return found, nil
	}
	many, err := load("16", requests)
	if err != nil {
		return 0, 0, err
	}
	one, err := load("1", latency)
	if err != nil {
		return 0, 0, err
	}
	unit := map[string]float64{"us": 1, "ms": 1e3, "s": 1e6}[one[2]]
	rate, err = strconv.ParseFloat(many[1], 64)
	if err != nil {
		return 0, 0, err
	}
	micros, err = strconv.ParseFloat(one[1], 64)
	return rate, micros * unit, err
}

// helpers measures what serves all containers of the default network together, and what each has for itself.
func helpers(ports bool) func(*bed) (string, error) {
	return func(b *bed) (string, error) { return measureHelpers(b, ports) }
}

func measureHelpers(b *bed, ports bool) (string, error) {
	b.env = append(b.env, "MOSS_LINGER=1")
	if err := b.choose(uplinks[0]); err != nil {
		return "", err
	}
	var shared, all, podman []string
	started := 0
	for _, n := range []int{1, 10, 100} {
		for ; started < n; started++ {
			flags := []string{"run", "-d", "--name", "h" + strconv.Itoa(started)}
			for i, program := range []string{b.moss, "podman"} {
				args := append([]string{program}, flags...)
				if program == "podman" {
					args = append(args, "--network", "slirp4netns")
				}
				if ports {
					args = append(args, "-p", fmt.Sprintf("127.0.0.1:%d:80", 20000+1000*i+started))
				}
				if err := b.quiet(append(args, image, "sleep", "1000")...); err != nil {
					return "", err
				}
			}
		}
		time.Sleep(13 * time.Second) // until they have settled
		for _, of := range []struct {
			words []string
			into  *[]string
		}{
			{[]string{"moss-holder", "moss-dns", "moss-uplink", "moss-ports", "slirp4netns --configure"}, &shared},
			{[]string{"moss-holder", "moss-dns", "moss-uplink", "moss-ports", "moss-monitor", "slirp4netns --configure"}, &all},
			{[]string{"conmon", "podman pause", "slirp4netns --disable-host-loopback", "rootlessport"}, &podman},
		} {
			mb, err := memory(of.words...)
			if err != nil {
				return "", err
			}
			*of.into = append(*of.into, fmt.Sprintf("%.1f", mb))
		}
	}
	for _, program := range []string{b.moss, "podman"} {
		if err := b.quiet(program, "rm", "-f", "-a", "-t", "0"); err != nil {
			return "", err
		}
	}
	return fmt.Sprintf("shared %s; all %s | %s | – | shared: +10 MB | –", strings.Join(shared, ", "), strings.Join(all, ", "), strings.Join(podman, ", ")), nil
}

// hostAddress is an address of this machine that is not its loopback's.
func hostAddress() (string, error) {
	conn, err := net.Dial("udp4", "192.0.2.1:9") // sends nothing: it asks for a route
	if err != nil {
		return "", fmt.Errorf("this machine has no address but its loopback's: %w", err)
	}
	defer conn.Close()
	return conn.LocalAddr().(*net.UDPAddr).IP.String(), nil
}

func freePort() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return strconv.Itoa(l.Addr().(*net.TCPAddr).Port), nil
}
