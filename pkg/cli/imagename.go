package cli

import (
	"cmp"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/pflag"

	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/storage"
)

// imageChoice says when and how the image of a new container is pulled.
type imageChoice struct {
	pull, platform           string
	quiet                    bool
	authFile, creds, certDir string
	tlsVerify                *bool // nil: what registries.conf says
	os, arch, variant        string
}

// addRareFlags declares the parts of --platform as flags of their own.
func (o *imageChoice) addRareFlags(fs *pflag.FlagSet) {
	fs.StringVar(&o.arch, "arch", "", "architecture of the image (default this machine's)")
	fs.StringVar(&o.os, "os", "", "operating system of the image (default linux)")
	fs.StringVar(&o.variant, "variant", "", "variant of the architecture, such as v7 of arm")
}

// settlePlatform makes --platform of its parts.
func (o *imageChoice) settlePlatform() error {
	if o.os == "" && o.arch == "" && o.variant == "" {
		return nil
	}
	if o.platform != "" {
		return errdefs.Errorf(errdefs.ErrInvalid, "cannot use --platform together with --os, --arch or --variant: choose one way")
	}
	o.platform = cmp.Or(o.os, "linux") + "/" + cmp.Or(o.arch, runtime.GOARCH)
	if o.variant != "" {
		o.platform += "/" + o.variant
	}
	return nil
}

func (o *imageChoice) addFlags(fs *pflag.FlagSet) {
	fs.StringVar(&o.pull, "pull", "missing", "when to pull the image: always, missing, never, newer")
	fs.StringVar(&o.platform, "platform", "", "platform of the image, OS/ARCH[/VARIANT]")
	fs.BoolVarP(&o.quiet, "quiet", "q", false, "do not show the progress of a pull")
	fs.StringVar(&o.authFile, "authfile", "", "file with credentials instead of the usual auth.json")
	fs.StringVar(&o.creds, "creds", "", "credentials for the registry, USER:PASSWORD")
	fs.StringVar(&o.certDir, "cert-dir", "", "directory with certificates for the registry")
	fs.BoolFunc("tls-verify", "require HTTPS with a valid certificate; registries.conf decides where this is not given", func(s string) error {
		verify, err := strconv.ParseBool(s)
		o.tlsVerify = &verify
		return err
	})
}

// imageName is the full name by which an image was asked for; its id when it was asked for by that.
func imageName(img *storage.Image, asked string) string {
	for _, name := range []string{asked, asked + ":latest", "localhost/" + asked, "localhost/" + asked + ":latest"} { // what is looked for first
		if slices.Contains(img.Names, name) {
			return name
		}
	}
	for _, name := range img.Names {
		if strings.HasSuffix(name, "/"+asked) || strings.HasSuffix(name, "/"+asked+":latest") {
			return name
		}
	}
	if len(img.Names) > 0 && !strings.HasPrefix(img.ID, asked) {
		return img.Names[0]
	}
	return asked
}

func writeIDFile(path, id string) error {
	if path == "" {
		return nil
	}
	if err := os.WriteFile(path, []byte(id), 0o644); err != nil {
		return errdefs.Errorf(errdefs.ErrInvalid, "cannot write the id: %w", err)
	}
	return nil
}
