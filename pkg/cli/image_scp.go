//go:build !moss_front

package cli

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/pkg/silence"
	"github.com/mosscontainers/moss/rootless"
	"github.com/mosscontainers/moss/storage/image"
)

type scpOptions struct {
	format string
	quiet  bool
}

func newImageScpCommand(app *App) *cobra.Command {
	var o scpOptions
	cmd := &cobra.Command{
		Use: "scp [flags] [HOST::]IMAGE [HOST::[NAME]]", Short: "Copy an image between machines, by ssh",
		Long: "Copy an image between machines, by ssh. HOST is what ssh knows, [USER@]HOST[:PORT]; one of both ends may be this machine. " +
			"The other machine needs moss, podman or docker.",
		Args: rangeArgs(1, 2, "an image and a host"), ValidArgsFunction: app.completeImage,
		RunE: func(cmd *cobra.Command, args []string) error { return o.run(cmd, app, args) },
	}
	cmd.Flags().BoolVarP(&o.quiet, "quiet", "q", false, "show no progress")
	cmd.Flags().StringVar(&o.format, "format", image.DockerArchive, "how the image travels: docker-archive or oci-archive")
	return cmd
}

// scpEnd is one end of a copy.
type scpEnd struct{ host, port, name string }

// parseScpEnd reads [HOST::]NAME, where HOST is [ssh://][USER@]HOST[:PORT][/SOCKET]; the socket is podman's, and not needed.
func parseScpEnd(s string) (scpEnd, error) {
	host, name, remote := strings.Cut(s, "::")
	if !remote {
		return scpEnd{name: s}, nil
	}
	host, _, _ = strings.Cut(strings.TrimPrefix(host, "ssh://"), "/")
	host, port, _ := strings.Cut(host, ":")
	if host == "" || strings.HasPrefix(host, "-") || strings.Trim(port, "0123456789") != "" {
		return scpEnd{}, errdefs.Errorf(errdefs.ErrInvalid, "cannot use %q: write [USER@]HOST[:PORT]::[NAME]", s)
	}
	return scpEnd{host, port, name}, nil
}

func (o *scpOptions) run(cmd *cobra.Command, app *App, args []string) error {
	from, err := parseScpEnd(args[0])
	if err != nil {
		return err
	}
	to := scpEnd{}
	if len(args) == 2 {
		if to, err = parseScpEnd(args[1]); err != nil {
			return err
		}
	}
	if from.name == "" || from.host == "" && to.host == "" {
		return errdefs.Errorf(errdefs.ErrInvalid, "cannot copy %q: name an image, and a host for one end, as in `moss image scp IMAGE HOST::`", args[0])
	}
	if to.name != "" {
		return errdefs.Errorf(errdefs.ErrInvalid, "cannot give the image the name %q on its way: `moss tag` it first", to.name)
	}
	if o.format != image.DockerArchive && o.format != image.OCIArchive {
		return errdefs.Errorf(errdefs.ErrInvalid, "cannot copy by %q: it is docker-archive or oci-archive", o.format)
	}
	flags := globalFlags(cmd.Root().PersistentFlags())
	ctx := cmd.Context()
	return app.pipe(o.saver(ctx, from, flags), o.loader(ctx, to, flags))
}

// globalFlags are those that a moss started for this one needs too.
func globalFlags(fs *pflag.FlagSet) (flags []string) {
	fs.Visit(func(f *pflag.Flag) {
		if f.Value.Type() == "stringArray" {
			for _, value := range f.Value.(pflag.SliceValue).GetSlice() {
				flags = append(flags, "--"+f.Name+"="+value)
			}
			return
		}
		flags = append(flags, "--"+f.Name+"="+f.Value.String())
	})
	return flags
}

// saver writes the image to its standard output. On this machine it is moss again, outside of the namespace in which ssh would
// take the user for root.
func (o *scpOptions) saver(ctx context.Context, from scpEnd, flags []string) *exec.Cmd {
	verb := []string{"save"}
	if o.format != image.DockerArchive { // docker, which knows no other, has no such flag
		verb = append(verb, "--format="+o.format)
	}
	if o.quiet && from.host == "" {
		verb = append(verb, "--quiet")
	}
	return from.command(ctx, flags, append(verb, from.name))
}

func (o *scpOptions) loader(ctx context.Context, to scpEnd, flags []string) *exec.Cmd {
	verb := []string{"load"}
	if o.quiet {
		verb = append(verb, "--quiet")
	}
	return to.command(ctx, flags, verb)
}

func (e scpEnd) command(ctx context.Context, flags, verb []string) *exec.Cmd {
	if e.host == "" {
		return exec.CommandContext(ctx, rootless.Program(), append(flags, verb...)...)
	}
	args := patiently()
	if e.port != "" {
		args = append(args, "-p", e.port)
	}
	return exec.CommandContext(ctx, "ssh", append(args, "--", e.host, remoteEngine+quoted(verb))...)
}

// patiently has ssh give up on a machine that is silent.
func patiently() []string {
	const times = 4
	seconds := int(silence.Patience().Seconds())
	return []string{
		"-o", fmt.Sprintf("ConnectTimeout=%d", seconds), "-o", fmt.Sprintf("ServerAliveInterval=%d", max(1, seconds/times)),
		"-o", fmt.Sprintf("ServerAliveCountMax=%d", times),
	}
}

// remoteEngine chooses the program of the other machine.
const remoteEngine = `for engine in moss podman docker; do command -v $engine >/dev/null && break; done; exec $engine `

// quoted makes words of a shell.
func quoted(words []string) string {
	var all []string
	for _, w := range words {
		all = append(all, "'"+strings.ReplaceAll(w, "'", `'\''`)+"'")
	}
	return strings.Join(all, " ")
}

// pipe runs two programs, the output of the first being the input of the second.
func (a *App) pipe(from, to *exec.Cmd) error {
	stream, err := from.StdoutPipe()
	if err != nil {
		return err
	}
	sender, receiver := &said{to: a.Err}, &said{to: a.Err}
	from.Stderr, to.Stdin, to.Stdout, to.Stderr = sender, stream, a.Out, receiver
	from.WaitDelay, to.WaitDelay = time.Second, time.Second // ssh may leave a process for the next connection
	if err := started(from); err != nil {
		return err
	}
	if err := started(to); err != nil {
		return errors.Join(err, from.Process.Kill(), sender.ended("send", from.Wait()))
	}
	received := to.Wait()
	if received != nil { // nobody reads any more
		_ = stream.Close()
	}
	return firstCause(sender.ended("send", from.Wait()), receiver.ended("receive", received))
}

func started(cmd *exec.Cmd) error {
	err := cmd.Start()
	if errors.Is(err, exec.ErrNotFound) {
		return errdefs.Errorf(errdefs.ErrUnavailable, "cannot copy the image: the program %s is not installed", cmd.Args[0])
	}
	return err
}
