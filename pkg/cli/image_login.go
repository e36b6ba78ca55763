//go:build !moss_front

package cli

import (
	"bufio"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/pkg/term"
	"github.com/mosscontainers/moss/storage"
	"github.com/mosscontainers/moss/storage/image"
)

type loginOptions struct {
	transferOptions
	user, password string
	stdin, get     bool
}

func newLoginCommand(app *App) *cobra.Command {
	var o loginOptions
	cmd := &cobra.Command{
		Use: "login [flags] [REGISTRY]", Short: "Store the credentials for a registry", Args: maxArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if cmd.Flags().Changed("tls-verify") {
				o.TLSVerify = &o.tlsVerify
			}
			return o.run(cmd, app, append(args, storage.DockerHub)[0])
		},
	}
	fs := cmd.Flags()
	o.addRegistryFlags(fs)
	fs.StringVarP(&o.user, "username", "u", "", "user name")
	fs.StringVarP(&o.password, "password", "p", "", "password; others on this machine may see it, --password-stdin is better")
	fs.BoolVar(&o.stdin, "password-stdin", false, "read the password from the standard input")
	fs.BoolVar(&o.get, "get-login", false, "print who is logged in")
	return cmd
}

func (o *loginOptions) run(cmd *cobra.Command, app *App, registry string) error {
	cfg, err := app.Config()
	if err != nil {
		return err
	}
	if o.get {
		user, err := image.LoggedInUser(cfg, registry, o.AuthFile)
		if err == nil && user == "" {
			err = errdefs.Errorf(errdefs.ErrNotFound, "not logged in to %s", registry)
		}
		if err == nil {
			_, err = fmt.Fprintln(app.Out, user)
		}
		return err
	}
	if err := o.ask(app); err != nil {
		return err
	}
	if _, err := image.Login(cmd.Context(), cfg, registry, o.user, o.password, o.Registry); err != nil {
		return err
	}
	_, err = fmt.Fprintln(app.Out, "Login Succeeded!")
	return err
}

// ask gets what the flags did not say.
func (o *loginOptions) ask(app *App) error {
	in := bufio.NewReader(app.In)
	if o.stdin {
		if o.user == "" {
			return errdefs.Errorf(errdefs.ErrInvalid, "cannot read the password from the standard input without --username")
		}
		text, err := io.ReadAll(in)
		o.password = strings.TrimRight(string(text), "\r\n")
		return err
	}
	if o.user != "" && o.password != "" {
		return nil
	}
	if !term.IsTerminal(app.In) {
		return errdefs.Errorf(errdefs.ErrInvalid, "cannot ask for credentials without a terminal: give --username and --password-stdin")
	}
	if o.user == "" {
		if _, err := fmt.Fprint(app.Err, "Username: "); err != nil {
			return err
		}
		line, err := in.ReadString('\n')
		if err != nil {
			return err
		}
		o.user = strings.TrimSpace(line)
	}
	var err error
	if o.password == "" {
		o.password, err = app.askSecret("Password: ")
	}
	return err
}

// askSecret reads a line from the terminal without showing it.
func (a *App) askSecret(prompt string) (secret string, err error) {
	restore, err := term.Raw(a.In)
	if err != nil {
		return "", err
	}
	_, err = fmt.Fprint(a.Err, prompt)
	var typed []byte
	for key := make([]byte, 1); err == nil; {
		if _, err = a.In.Read(key); err != nil {
			break
		}
		switch c := key[0]; {
		case c == '\r' || c == '\n':
			_, err = fmt.Fprint(a.Err, "\r\n")
			return string(typed), firstErr(err, restore())
		case c == 3 || c == 4: // ^C, ^D
			err = errdefs.Errorf(errdefs.ErrInvalid, "nothing was entered")
		case c == 127 || c == 8: // backspace
			typed = typed[:max(len(typed)-1, 0)]
		default:
			typed = append(typed, c)
		}
	}
	return "", firstErr(err, restore())
}

func firstErr(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func newLogoutCommand(app *App) *cobra.Command {
	var file string
	var all bool
	cmd := &cobra.Command{
		Use: "logout [flags] [REGISTRY]", Short: "Forget the credentials for a registry", Args: maxArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			cfg, err := app.Config()
			if err != nil {
				return err
			}
			registry, what := append(args, storage.DockerHub)[0], ""
			if what = registry; all {
				registry, what = "", "all registries"
			}
			if err := image.Logout(cfg, registry, file); err != nil {
				return err
			}
			_, err = fmt.Fprintf(app.Out, "Removed login credentials for %s\n", what)
			return err
		},
	}
	cmd.Flags().StringVar(&file, "authfile", "", "file with credentials instead of the usual auth.json")
	cmd.Flags().BoolVarP(&all, "all", "a", false, "all registries")
	return cmd
}
