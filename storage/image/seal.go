package image

import (
	"errors"

	"github.com/containers/ocicrypt/config"
	"github.com/containers/ocicrypt/helpers"
	"go.podman.io/image/v5/copy"
	"go.podman.io/image/v5/docker"
	"go.podman.io/image/v5/pkg/cli"
	"go.podman.io/image/v5/pkg/cli/sigstore"
	"go.podman.io/image/v5/signature/signer"
	libsigstore "go.podman.io/image/v5/signature/sigstore"
	istorage "go.podman.io/image/v5/storage"
	"go.podman.io/image/v5/types"

	"github.com/mosscontainers/moss/pkg/errdefs"
)

// Sealing is how what is pushed is signed and encrypted.
type Sealing struct {
	Key                string // of GnuPG, whose program signs; "" for no such signature
	SigstoreKeyFile    string // private key in sigstore's format
	SigstoreParameters string // file with sigstore parameters, containers-sigstore-signing-params.yaml(5)
	PassphraseFile     string // its first line opens the key
	// AskPassphrase asks a person where no PassphraseFile is given; nil: keys have no passphrase.
	AskPassphrase func(keyFile string) (string, error)

	RemoveSignatures bool // those that the image has

	EncryptionKeys []string // PROTOCOL:FILE, as in jwe:/path/to/key.pem; see ocicrypt
	EncryptLayers  []int    // numbers of layers, negative ones from the top; empty is all
}

// apply completes the options of a copy to dst. Close what it returns when the copy is done.
func (s Sealing) apply(o *copy.Options, dst types.ImageReference) (closeSigners func() error, err error) {
	if s.Key != "" && dst.Transport().Name() != docker.Transport.Name() {
		return nil, errdefs.Errorf(errdefs.ErrInvalid, "cannot sign with --sign-by what goes to %s: only registries keep such signatures; use --sign-by-sigstore-private-key", dst.Transport().Name())
	}
	o.RemoveSignatures = s.RemoveSignatures
	if err := s.encrypt(o); err != nil {
		return nil, err
	}
	o.Signers, err = s.signers()
	return func() error { return closeAll(o.Signers) }, err
}

func closeAll(signers []*signer.Signer) error {
	var failures []error
	for _, s := range signers {
		failures = append(failures, s.Close())
	}
	return errors.Join(failures...)
}

// signers are those of sigstore, which sign during the copy.
func (s Sealing) signers() (signers []*signer.Signer, err error) {
	if s.SigstoreKeyFile != "" {
		one, err := s.keySigner()
		if err != nil {
			return nil, errdefs.Errorf(errdefs.ErrInvalid, "cannot sign with the sigstore key %s: %w", s.SigstoreKeyFile, err)
		}
		signers = append(signers, one)
	}
	if s.SigstoreParameters != "" {
		one, err := sigstore.NewSignerFromParameterFile(s.SigstoreParameters, &sigstore.Options{PrivateKeyPassphrasePrompt: s.passphrase})
		if err != nil {
			return nil, errors.Join(errdefs.Errorf(errdefs.ErrInvalid, "cannot sign as %s says: %w", s.SigstoreParameters, err), closeAll(signers))
		}
		signers = append(signers, one)
	}
	return signers, nil
}

func (s Sealing) keySigner() (*signer.Signer, error) {
	passphrase, err := s.passphrase(s.SigstoreKeyFile)
	if err != nil {
		return nil, err
	}
	return libsigstore.NewSigner(libsigstore.WithPrivateKeyFile(s.SigstoreKeyFile, []byte(passphrase)))
}

// passphrase opens a key.
func (s Sealing) passphrase(keyFile string) (string, error) {
	if s.PassphraseFile == "" && s.AskPassphrase != nil {
		return s.AskPassphrase(keyFile)
	}
	return cli.ReadPassphraseFile(s.PassphraseFile)
}

func (s Sealing) encrypt(o *copy.Options) error {
	if len(s.EncryptionKeys) == 0 {
		if len(s.EncryptLayers) > 0 {
			return errdefs.Errorf(errdefs.ErrInvalid, "cannot encrypt layers without a key: give --encryption-key jwe:FILE")
		}
		return nil
	}
	layers := s.EncryptLayers
	if layers == nil {
		layers = []int{}
	}
	c, err := helpers.CreateCryptoConfig(s.EncryptionKeys, nil)
	if err != nil {
		return errdefs.Errorf(errdefs.ErrInvalid, "cannot use --encryption-key: %w; write PROTOCOL:FILE, as in jwe:key.pem", err)
	}
	o.OciEncryptConfig, o.OciEncryptLayers = c.EncryptConfig, &layers
	return nil
}

// decryption makes the library's form of keys, FILE[:PASSWORD]. What goes to the local store cannot stay encrypted: a configuration
// without keys makes the library say so.
func decryption(keys []string, dst types.ImageReference) (*config.DecryptConfig, error) {
	if len(keys) == 0 && dst.Transport().Name() == istorage.Transport.Name() {
		return &config.DecryptConfig{}, nil
	}
	if len(keys) == 0 {
		return nil, nil
	}
	c, err := helpers.CreateCryptoConfig(nil, keys)
	if err != nil {
		return nil, errdefs.Errorf(errdefs.ErrInvalid, "cannot use --decryption-key: %w", err)
	}
	return c.DecryptConfig, nil
}
