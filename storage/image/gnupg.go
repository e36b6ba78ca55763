package image

import (
	"bytes"
	"context"
	"errors"
	"os/exec"

	"go.podman.io/image/v5/signature"

	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/storage/store"
)

// gnupg signs with the user's own gpg, which alone can talk to the agent, or the card, that has the key. Signatures are verified
// without it.
type gnupg struct {
	ctx        context.Context
	passphrase string // file whose first line opens the key; "" leaves that to the agent
}

var _ signature.SigningMechanism = (*gnupg)(nil)

func (g *gnupg) Close() error { return nil }

func (g *gnupg) SupportsSigning() error { return nil }

// Sign makes an OpenPGP message of input and its signature.
func (g *gnupg) Sign(input []byte, key string) ([]byte, error) {
	args := []string{"--batch", "--quiet", "--local-user", key, "--output", "-", "--sign"}
	if g.passphrase != "" {
		args = append([]string{"--pinentry-mode", "loopback", "--passphrase-file", g.passphrase}, args...)
	}
	cmd := exec.CommandContext(g.ctx, "gpg", args...)
	var signed, complaint bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(input), &signed, &complaint
	err := cmd.Run()
	switch {
	case errors.Is(err, exec.ErrNotFound):
		return nil, errdefs.Errorf(errdefs.ErrUnavailable, "cannot sign: the program gpg is not installed")
	case err != nil:
		return nil, errdefs.Errorf(errdefs.ErrDenied, "cannot sign with the key %q: gpg failed: %w", key, store.OneLine(errors.Join(err, errors.New(complaint.String()))))
	}
	return signed.Bytes(), nil
}

var errSignOnly = errors.New("this mechanism only signs")

func (g *gnupg) Verify([]byte) (contents []byte, key string, err error) { return nil, "", errSignOnly }

func (g *gnupg) UntrustedSignatureContents([]byte) (contents []byte, key string, err error) {
	return nil, "", errSignOnly
}
