package cli

import (
	"maps"
	"os"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/mosscontainers/moss/libpod/runtime"
	"github.com/mosscontainers/moss/rootless/nsenter"
)

// readers are the commands that must work without the user namespace: they take no lock and write nothing.
var readers = map[string]bool{
	"attach": true, "container attach": true, "container exists": true, "container inspect": true, "container logs": true,
	"container port": true, "container ps": true, "container wait": true, "history": true, "image exists": true,
	"image history": true, "image inspect": true, "image ls": true, "image scp": true, "image search": true, "image tree": true, "search": true, "images": true, "info": true, "inspect": true,
	"login": true, "logout": true, "logs": true, "network exists": true, "network inspect": true, "network ls": true, "port": true, "ps": true, "system info": true, "version": true,
	"volume exists": true, "volume inspect": true, "volume ls": true, "wait": true,
}

// The constructor in rootless/nsenter decides by names of its own, before Go runs: they must be those of the
// commands.
func TestConstructorKnowsTheCommands(t *testing.T) {
	root, readers := NewRoot(newApp(os.Stdin, os.Stdout, os.Stderr), nil), maps.Clone(readers)
	var walk func(cmd *cobra.Command, path []string)
	walk = func(cmd *cobra.Command, path []string) {
		for _, sub := range cmd.Commands() {
			walk(sub, append(path[:len(path):len(path)], sub.Name()))
		}
		if len(path) == 0 || cmd.HasSubCommands() {
			return
		}
		name := cmd.CommandPath()[len("moss "):]
		args := append([]string{"moss"}, path...)
		if got, want := nsenter.Wants(args), !readers[name]; got != want {
			t.Errorf("moss %s: the constructor joins the namespace: %t, want %t", name, got, want)
		}
		delete(readers, name)
	}
	walk(root, nil)
	for name := range readers {
		t.Errorf("%q is expected to be a command, and is none", name)
	}
}

// By its other name the program is an OCI runtime, whatever its own words are.
func TestConstructorKnowsTheRuntime(t *testing.T) {
	for _, args := range [][]string{{"ps", "box"}, {"--root", "ps", "state", "box"}, {"list"}} {
		if !nsenter.Wants(append([]string{"/usr/bin/" + runtimeName}, args...)) {
			t.Errorf("%s %v does not join the namespace", runtimeName, args)
		}
	}
	for _, args := range [][]string{{}, {"--version"}, {"-v"}} {
		if nsenter.Wants(append([]string{runtimeName}, args...)) {
			t.Errorf("%s %v joins the namespace", runtimeName, args)
		}
	}
}

// A global flag's value must not be taken for the command.
func TestConstructorSkipsValuesOfGlobalFlags(t *testing.T) {
	root := NewRoot(newApp(os.Stdin, os.Stdout, os.Stderr), nil)
	root.PersistentFlags().VisitAll(func(f *pflag.Flag) {
		if f.Value.Type() == "bool" {
			return
		}
		if !nsenter.Wants([]string{"moss", "--" + f.Name, "ps", "run"}) {
			t.Errorf("the constructor takes the value of --%s for the command", f.Name)
		}
		if nsenter.Wants([]string{"moss", "--" + f.Name + "=run", "ps"}) {
			t.Errorf("the constructor takes the value of --%s=… for the command", f.Name)
		}
	})
}

// The constructor has the monitor begin with the container's first process before anybody has read the flags.
func TestTheConstructorGuessesTheNamespacesOfARun(t *testing.T) {
	for line, guessed := range map[string]bool{
		"moss run IMG true":                                true,
		"moss run --rm --network none IMG":                 true,
		"moss run --net=none --name x IMG":                 true,
		"moss run --network host IMG":                      true,
		"moss run --network net1 --network-alias none IMG": true,
		"moss run --pid host IMG":                          false,
		"moss run --ipc=container:x IMG":                   false,
		"moss run --uts host --network none IMG":           false,
		"moss run --cgroupns=host IMG":                     false,
	} {
		args := strings.Fields(line)
		var o createOptions
		fs := pflag.NewFlagSet("run", pflag.ContinueOnError)
		fs.SetInterspersed(false)
		o.addFlags(fs)
		if err := fs.Parse(args[2:]); err != nil {
			t.Fatal(err)
		}
		want := uint32(0)
		if guessed {
			want = runtime.Fresh(o.Fresh())
		}
		if got := nsenter.Fresh(args); got != want {
			t.Errorf("%s: the constructor guesses %#x, want %#x", line, got, want)
		}
	}
}
