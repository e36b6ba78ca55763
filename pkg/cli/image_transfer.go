//go:build !moss_front

package cli

import (
	"cmp"
	"io"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/storage/image"
)

// transferOptions are the flags of everything that talks to registries.
type transferOptions struct {
	image.Copying
	tlsVerify bool
	delay     string
	quiet     bool
	untrusted bool
}

func (o *transferOptions) addFlags(fs *pflag.FlagSet) {
	o.addRegistryFlags(fs)
	fs.StringVar(&o.Creds, "creds", "", "credentials for this registry, USER:PASSWORD")
	fs.UintVar(&o.Retries, "retry", pullRetries, "how often to try again what failed for a passing reason")
	fs.StringVar(&o.delay, "retry-delay", "", "wait before the first repetition, as in 2s; it doubles each time")
	fs.BoolVarP(&o.quiet, "quiet", "q", false, "show no progress")
	fs.BoolVar(&o.untrusted, "disable-content-trust", false, "accepted for docker's sake: there is no content trust to disable")
}

func (o *transferOptions) addRegistryFlags(fs *pflag.FlagSet) {
	fs.StringVar(&o.AuthFile, "authfile", "", "file with credentials instead of the usual auth.json")
	fs.StringVar(&o.CertDir, "cert-dir", "", "directory with certificates for the registry")
	fs.BoolVar(&o.tlsVerify, "tls-verify", true, "require HTTPS with a valid certificate; registries.conf decides where this is not given")
}

// complete fills in what depends on other flags.
func (o *transferOptions) complete(app *App, fs *pflag.FlagSet) error {
	if fs.Changed("tls-verify") {
		o.TLSVerify = &o.tlsVerify
	}
	cfg, err := app.Config()
	if err != nil {
		return err
	}
	if cfg.Containers.Retry != nil && !fs.Changed("retry") {
		o.Retries = *cfg.Containers.Retry
	}
	if o.delay = cmp.Or(o.delay, cfg.Containers.RetryDelay); o.delay != "" {
		delay, err := time.ParseDuration(o.delay)
		if err != nil || delay < 0 {
			return errdefs.Errorf(errdefs.ErrInvalid, "cannot use --retry-delay %q: write a time such as 500ms or 2s", o.delay)
		}
		o.RetryDelay = delay
	}
	o.Progress = app.progress(o.quiet)
	return nil
}

// progress is where transfers are shown.
func (a *App) progress(quiet bool) io.Writer {
	if quiet {
		return nil
	}
	return a.Err
}

type pullOptions struct {
	transferOptions
	image.PullOptions
	platform, policy string
}

func newPullCommand(app *App) *cobra.Command {
	var o pullOptions
	cmd := &cobra.Command{
		Use: "pull [flags] IMAGE...", Short: "Copy images from a registry into the local store",
		Args: minArgs(1, "the name of an image"), ValidArgsFunction: app.completeImages,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := o.complete(app, cmd.Flags()); err != nil {
				return err
			}
			return app.withImages(cmd.Context(), func(images *image.Images) error {
				return app.each(args, func(name string) (string, error) {
					pulled, err := images.Pull(cmd.Context(), name, o.PullOptions)
					app.Warn(images.Mismatches(pulled, o.Platform)...)
					return ids(pulled), err
				})
			})
		},
	}
	fs := cmd.Flags()
	o.addFlags(fs)
	fs.BoolVarP(&o.AllTags, "all-tags", "a", false, "every tag of the repository")
	fs.StringVar(&o.platform, "platform", "", "platform of the image, OS/ARCH[/VARIANT]")
	fs.StringVar(&o.OS, "os", "", "operating system of the image")
	fs.StringVar(&o.Arch, "arch", "", "architecture of the image")
	fs.StringVar(&o.Variant, "variant", "", "variant of the architecture")
	fs.StringArrayVar(&o.DecryptionKeys, "decryption-key", nil, "key for encrypted layers, FILE[:PASSWORD]")
	fs.StringVar(&o.policy, "policy", "always", "when to pull: always, missing, never, newer")
	return cmd
}

func (o *pullOptions) complete(app *App, fs *pflag.FlagSet) (err error) {
	if err := o.transferOptions.complete(app, fs); err != nil {
		return err
	}
	o.PullOptions.Copying = o.transferOptions.Copying
	if o.Policy, err = image.ParsePolicy(o.policy); err != nil || o.platform == "" {
		return err
	}
	if fs.Changed("os") || fs.Changed("arch") || fs.Changed("variant") {
		return errdefs.Errorf(errdefs.ErrInvalid, "cannot use --platform together with --os, --arch or --variant: choose one way")
	}
	o.Platform, err = image.ParsePlatform(o.platform)
	return err
}

func ids(pulled []image.Pulled) string {
	lines := ""
	for i, p := range pulled {
		if i > 0 {
			lines += "\n"
		}
		lines += p.ID
	}
	return lines
}

type pushOptions struct {
	transferOptions
	image.PushOptions
	sealFlags
	compressionFlags
	platform string
	allTags  bool
}

// compressionFlags are those of commands that push.
type compressionFlags struct{ level int }

func (c *compressionFlags) addFlags(fs *pflag.FlagSet, o *image.PushOptions) {
	fs.StringVar(&o.CompressionFormat, "compression-format", "", "compress layers with gzip, zstd or zstd:chunked (default gzip)")
	fs.IntVar(&c.level, "compression-level", 0, "level of the compression")
	fs.BoolVar(&o.ForceCompression, "force-compression", false, "compress again what is compressed in another way, here or there (default true with --compression-format)")
}

// complete takes from containers.conf what was not given. Who asks for a format wants it also where the destination has the
// layer in another one.
func (c *compressionFlags) complete(app *App, fs *pflag.FlagSet, o *image.PushOptions) error {
	cfg, err := app.Config()
	if err != nil {
		return err
	}
	if !fs.Changed("force-compression") {
		o.ForceCompression = fs.Changed("compression-format")
	}
	o.CompressionFormat = cmp.Or(o.CompressionFormat, cfg.Containers.CompressionFormat)
	if o.CompressionLevel = cfg.Containers.CompressionLevel; fs.Changed("compression-level") {
		o.CompressionLevel = &c.level
	}
	return nil
}

func newPushCommand(app *App) *cobra.Command {
	var o pushOptions
	cmd := &cobra.Command{
		Use: "push [flags] IMAGE [DESTINATION]", Short: "Copy an image to a registry",
		Args: rangeArgs(1, 2, "the name of an image, and may have a destination"), ValidArgsFunction: app.completeImage,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := o.transferOptions.complete(app, cmd.Flags()); err != nil {
				return err
			}
			o.PushOptions.Copying = o.transferOptions.Copying
			if err := o.compressionFlags.complete(app, cmd.Flags(), &o.PushOptions); err != nil {
				return err
			}
			if err := o.sealFlags.complete(app, &o.Sealing); err != nil {
				return err
			}
			if err := canWrite(resultFile{"digestfile", o.DigestFile}); err != nil {
				return err
			}
			return app.withImages(cmd.Context(), func(images *image.Images) error {
				return o.push(cmd.Context(), images, args[0], append(args, "")[1])
			})
		},
	}
	fs := cmd.Flags()
	o.transferOptions.addFlags(fs)
	o.compressionFlags.addFlags(fs, &o.PushOptions)
	fs.StringVarP(&o.Format, "format", "f", "", "format of the manifest: oci or v2s2 (default: the image's own)")
	fs.BoolVar(&o.Compress, "compress", false, "compress the layers in a directory (dir:)")
	fs.BoolVarP(&o.allTags, "all-tags", "a", false, "every tag that the local store has of the repository")
	fs.StringVar(&o.platform, "platform", "", "of a list, the image for this platform; an image for another is refused, OS/ARCH[/VARIANT]")
	o.addSealFlags(fs, &o.Sealing)
	fs.StringVar(&o.DigestFile, "digestfile", "", "write the digest of what was pushed into a file")
	return cmd
}
