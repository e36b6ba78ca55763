package test

import (
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"

	"github.com/rogpeppe/go-internal/testscript"
)

// registryConfig is for Debian's docker-registry. %s are its directory, its address and, where asked for,
// who may use it.
const registryConfig = `version: 0.1
log:
  level: warn
storage:
  filesystem:
    rootdirectory: %s/blobs
  delete:
    enabled: true
http:
  addr: %s
%s`

// startRegistry [USER PASSWORD]: a registry on loopback, without TLS, for the rest of the script. REGISTRY
// is its address.
func startRegistry(ts *testscript.TestScript, neg bool, args []string) {
	if neg || (len(args) != 0 && len(args) != 2) {
		ts.Fatalf("usage: registry [USER PASSWORD]")
	}
	dir, err := os.MkdirTemp(ts.Getenv("TMPDIR"), "registry")
	ts.Check(err)
	auth := ""
	if len(args) == 2 {
		// docker-registry takes bcrypt (-B) alone.
		file, err := exec.Command("htpasswd", "-Bbn", args[0], args[1]).Output()
		ts.Check(err)
		ts.Check(os.WriteFile(filepath.Join(dir, "htpasswd"), file, 0o600))
		auth = "auth:\n  htpasswd:\n    realm: story\n    path: " + dir + "/htpasswd\n"
	}
	addr := "127.0.0.1:" + strconv.Itoa(unusedPort(ts))
	config := filepath.Join(dir, "config.yml")
	ts.Check(os.WriteFile(config, fmt.Appendf(nil, registryConfig, dir, addr, auth), 0o600))

	log, err := os.Create(filepath.Join(dir, "log"))
	ts.Check(err)
	defer log.Close()
	cmd := exec.Command("docker-registry", "serve", config)
	cmd.Stdout, cmd.Stderr = log, log
	ts.Check(cmd.Start())
	ts.Defer(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	ts.Check(eventually(func() error {
		resp, err := http.Get("http://" + addr + "/v2/")
		if err != nil {
			return err
		}
		return resp.Body.Close()
	}))
	ts.Setenv("REGISTRY", addr)
}

// freePort VARIABLE: a TCP port that nobody listens on, nor on the few after it.
func freePort(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: freeport VARIABLE")
	}
	ts.Setenv(args[0], strconv.Itoa(unusedPort(ts)))
}

// unusedPort is none of those that the kernel gives to clients, and to other tests that ask for any: they would take it in between.
func unusedPort(ts *testscript.TestScript) int {
	for {
		if port := 10000 + rand.IntN(20000); unused(ts, port) {
			return port
		}
	}
}

// unused says whether nobody listens on a port and the few after it.
func unused(ts *testscript.TestScript, port int) bool {
	const few = 8
	for i := range few {
		l, err := net.Listen("tcp", ":"+strconv.Itoa(port+i))
		if err != nil {
			return false
		}
		ts.Check(l.Close())
	}
	return true
}
