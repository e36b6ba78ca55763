//go:build !moss_front

package cli

import (
	"github.com/spf13/pflag"

	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/pkg/term"
	"github.com/mosscontainers/moss/storage/image"
)

// sealFlags are the flags that sign, and what they need of the command line.
type sealFlags struct{ sequoia string }

func (f *sealFlags) addSigningFlags(fs *pflag.FlagSet, s *image.Sealing) {
	fs.StringVar(&s.Key, "sign-by", "", "sign with this key of gpg")
	fs.StringVar(&s.SigstoreParameters, "sign-by-sigstore", "", "sign as this file with sigstore parameters says")
	fs.StringVar(&s.SigstoreKeyFile, "sign-by-sigstore-private-key", "", "sign with the sigstore key in this file")
	fs.StringVar(&f.sequoia, "sign-by-sq-fingerprint", "", "accepted for podman's sake, and refused: Moss does not sign with Sequoia")
	fs.StringVar(&s.PassphraseFile, "sign-passphrase-file", "", "file with the passphrase of the key")
}

func (f *sealFlags) addSealFlags(fs *pflag.FlagSet, s *image.Sealing) {
	f.addSigningFlags(fs, s)
	fs.BoolVar(&s.RemoveSignatures, "remove-signatures", false, "leave out the signatures that the image has")
	fs.StringArrayVar(&s.EncryptionKeys, "encryption-key", nil, "encrypt layers for this key, as in jwe:FILE")
	fs.IntSliceVar(&s.EncryptLayers, "encrypt-layer", nil, "number of a layer to encrypt, negative from the top (default all)")
}

func (f *sealFlags) complete(app *App, s *image.Sealing) error {
	if f.sequoia != "" {
		return errdefs.Errorf(errdefs.ErrInvalid, "cannot sign with Sequoia: use --sign-by with a key of gpg, or --sign-by-sigstore-private-key")
	}
	if s.PassphraseFile == "" && term.IsTerminal(app.In) {
		s.AskPassphrase = func(file string) (string, error) { return app.askSecret("Passphrase for " + file + ": ") }
	}
	return nil
}
