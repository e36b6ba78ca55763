//go:build moss_front

package seccomp

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/mosscontainers/moss/pkg/errdefs"
)

// compile has the full program do it: libseccomp is not linked into the front one, which starts up sooner without the C
// library that it would need.
func compile(to *os.File, rules *specs.LinuxSeccomp) error {
	data, err := json.Marshal(rules)
	if err != nil {
		return err
	}
	var said strings.Builder
	cmd := exec.Cmd{
		Path: "/proc/self/exe", Args: []string{compilerName}, Env: []string{},
		Stdin: bytes.NewReader(data), Stdout: to, Stderr: &said,
		SysProcAttr: &syscall.SysProcAttr{Setpgid: true}, // ^C of a terminal is for us
	}
	err = cmd.Run()
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		return err
	}
	if exit.ExitCode() == invalidProfile {
		return errdefs.Errorf(errdefs.ErrInvalid, "%s", said.String())
	}
	return fmt.Errorf("%s (%w)", said.String(), err)
}
