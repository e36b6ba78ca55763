//go:build !moss_front

package cli

import (
	"github.com/spf13/cobra"

	"github.com/mosscontainers/moss/pkg/cli/format"
	"github.com/mosscontainers/moss/storage/image"
)

func newImageTrustCommand(app *App) *cobra.Command {
	return group("trust", "Say which signatures images must have", newTrustSetCommand(app), newTrustShowCommand(app))
}

func newTrustSetCommand(app *App) *cobra.Command {
	var o image.TrustOptions
	cmd := &cobra.Command{
		Use: "set [flags] REGISTRY[/REPOSITORY]|default", Short: "Change what images of a registry must have to be accepted",
		Args: exactArgs(1, "a registry, a repository, or default"),
		RunE: func(_ *cobra.Command, args []string) error {
			cfg, err := app.Config()
			if err != nil {
				return err
			}
			return image.TrustSet(cfg, args[0], o)
		},
	}
	fs := cmd.Flags()
	fs.StringArrayVarP(&o.Keys, "pubkeysfile", "f", nil, "file with a public key that must have signed")
	fs.StringVarP(&o.Type, "type", "t", "signedBy", "signedBy, sigstoreSigned, accept or reject")
	fs.StringVar(&o.Policy, "signature-policy", "", "file with the policy instead of the usual policy.json")
	return cmd
}

type trustShowOptions struct {
	policy                string
	json, raw, withoutTop bool
}

func newTrustShowCommand(app *App) *cobra.Command {
	var o trustShowOptions
	cmd := &cobra.Command{
		Use: "show [flags]", Short: "Show what images must have to be accepted", Args: noArgs,
		RunE: func(*cobra.Command, []string) error { return o.run(app) },
	}
	fs := cmd.Flags()
	fs.BoolVarP(&o.json, "json", "j", false, "print JSON")
	fs.BoolVarP(&o.withoutTop, "noheading", "n", false, "leave out the heading of the table")
	fs.BoolVar(&o.raw, "raw", false, "print the file with the policy")
	fs.StringVar(&o.policy, "signature-policy", "", "file with the policy instead of the usual policy.json")
	return cmd
}

func (o *trustShowOptions) run(app *App) error {
	cfg, err := app.Config()
	if err != nil {
		return err
	}
	if o.raw {
		raw, err := image.RawPolicy(cfg, o.policy)
		if err != nil {
			return err
		}
		_, err = app.Out.Write(raw)
		return err
	}
	all, err := image.TrustShow(cfg, o.policy)
	if err != nil {
		return err
	}
	printed := format.Options{NoHeading: o.withoutTop}
	if o.json {
		printed.Format = "json"
	}
	return trustTable().Print(app.Out, all, printed)
}

func trustTable() *format.Table[image.Trust] {
	type row = image.Trust
	return &format.Table[row]{
		Columns: []format.Column[row]{
			{Name: "Transport", Value: func(r row) any { return r.Transport }},
			{Name: "Name", Value: func(r row) any { return r.Scope }},
			{Name: "Type", Value: func(r row) any { return r.Type }},
			{Name: "ID", Value: func(r row) any { return r.GPGID }},
			{Name: "Store", Value: func(r row) any { return r.Store }},
		},
		Default: []string{"Transport", "Name", "Type", "ID", "Store"},
		Quiet:   "Name",
	}
}
