package origin_test

import (
	"fmt"
	"os"
	"os/exec"
	"testing"

	"github.com/mosscontainers/moss/pkg/sys/origin"
)

// (From outside: with this file in it, the package would not be one that imports nothing.)
func TestFilesAreThoseOfTheStart(t *testing.T) {
	if os.Getenv("MOSS_TEST_ORIGIN") != "" {
		fmt.Println(origin.Files())
		os.Exit(0)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("sh", "-c", `ulimit -Sn 100; ulimit -Hn 300; exec "$0" -test.run=^TestFilesAreThoseOfTheStart$`, self)
	cmd.Env = append(os.Environ(), "MOSS_TEST_ORIGIN=1")
	out, err := cmd.CombinedOutput()
	if err != nil || string(out) != "100 300\n" {
		t.Errorf("got %q (%v), want what the shell set", out, err)
	}
}
