//go:build !moss_front

package cli

import (
	"slices"

	"github.com/opencontainers/runtime-spec/specs-go"
	"github.com/spf13/cobra"

	"github.com/mosscontainers/moss/libpod/oci"
)

// execFlags are those with which a process can be described without a file.
type execFlags struct {
	oci.ExecOptions
	cwd             string
	env, caps       []string
	groups          []uint
	tty, noNewPrivs bool
	preserve        int
}

func (f *execFlags) add(cmd *cobra.Command) {
	fs := cmd.Flags()
	fs.SetInterspersed(false)
	fs.StringVarP(&f.ProcessFile, "process", "p", "", "file with the process as JSON")
	fs.BoolVarP(&f.Detach, "detach", "d", false, "do not wait for its end")
	fs.StringVar(&f.PidFile, "pid-file", "", "file that gets the process id")
	fs.StringVar(&f.ConsoleSocket, "console-socket", "", "unix socket that gets the master side of the terminal")
	fs.StringVar(&f.cwd, "cwd", "", "working directory")
	fs.StringArrayVarP(&f.env, "env", "e", nil, "environment variable, KEY=VALUE")
	fs.BoolVarP(&f.tty, "tty", "t", false, "give it a terminal")
	fs.StringVarP(&f.User, "user", "u", "", "whom it runs as, UID[:GID]")
	fs.UintSliceVarP(&f.groups, "additional-gids", "g", nil, "more groups")
	fs.StringArrayVarP(&f.caps, "cap", "c", nil, "one more capability")
	fs.BoolVar(&f.noNewPrivs, "no-new-privs", false, "it can gain no privileges")
	fs.IntVar(&f.preserve, "preserve-fds", 0, "not supported")
}

// change makes the container's process the one that the flags and the command describe.
func (f *execFlags) change(p *specs.Process, command []string) {
	if len(command) > 0 {
		p.Args = command
	}
	if f.cwd != "" {
		p.Cwd = f.cwd
	}
	p.Env = slices.Concat(p.Env, f.env)
	p.Terminal = f.tty
	p.NoNewPrivileges = p.NoNewPrivileges || f.noNewPrivs
	for _, g := range f.groups {
		p.User.AdditionalGids = append(slices.Clone(p.User.AdditionalGids), uint32(g))
	}
	if len(f.caps) == 0 {
		return
	}
	c := specs.LinuxCapabilities{}
	if p.Capabilities != nil {
		c = *p.Capabilities
	}
	c.Bounding = slices.Concat(c.Bounding, f.caps)
	c.Permitted = slices.Concat(c.Permitted, f.caps)
	c.Effective = slices.Concat(c.Effective, f.caps)
	p.Capabilities = &c
}

// execFailed is how runc ends when it could not execute, which no command's own code is to be taken for.
const execFailed = 255

func (o *runtimeOptions) execCommand() *cobra.Command {
	var f execFlags
	cmd := &cobra.Command{
		Use: "exec [flags] ID [COMMAND [ARG...]]", Short: "Run one more process in a container", Args: minArgs(1, "the id of a container"),
		RunE: o.does(execFailed, func(cmd *cobra.Command, args []string) error {
			if err := refusePreserved(f.preserve); err != nil {
				return err
			}
			r, err := o.make()
			if err != nil {
				return err
			}
			f.Stdio = o.app.stdio()
			f.Change = func(p *specs.Process) error {
				f.change(p, args[1:])
				return nil
			}
			return exitWith(r.Exec(cmd.Context(), args[0], f.ExecOptions))
		}),
	}
	f.add(cmd)
	return cmd
}
