package build

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"

	"golang.org/x/crypto/ssh"
	sshagent "golang.org/x/crypto/ssh/agent"

	"github.com/mosscontainers/moss/pkg/errdefs"
)

// Agent speaks for an SSH agent on one connection, to its end.
type Agent func(net.Conn) error

// OpenAgent is an agent: the user's own without paths, one behind a socket, or one that has the keys of files. Steps may list its keys and have
// it sign; they may not change it.
func OpenAgent(paths []string) (Agent, error) {
	if len(paths) == 0 {
		socket := os.Getenv("SSH_AUTH_SOCK")
		if socket == "" {
			return nil, errdefs.Errorf(errdefs.ErrNotFound, "there is no agent: SSH_AUTH_SOCK is not set; start one, or name keys")
		}
		return socketAgent(socket), nil
	}
	info, err := os.Stat(paths[0])
	if err != nil {
		return nil, err
	}
	if info.Mode().Type() == os.ModeSocket {
		if len(paths) > 1 {
			return nil, errors.New("a socket stands alone")
		}
		return socketAgent(paths[0]), nil
	}
	return keysAgent(paths)
}

func socketAgent(path string) Agent {
	return func(conn net.Conn) error {
		up, err := net.Dial("unix", path)
		if err != nil {
			return err
		}
		defer up.Close()
		return served(sshagent.NewClient(up), conn)
	}
}

func keysAgent(paths []string) (Agent, error) {
	keys := sshagent.NewKeyring()
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		key, err := ssh.ParseRawPrivateKey(data)
		if err != nil {
			return nil, fmt.Errorf("%s is no private key that can be used: %w; add it to an agent with ssh-add", path, err)
		}
		if err := keys.Add(sshagent.AddedKey{PrivateKey: key, Comment: path}); err != nil {
			return nil, err
		}
	}
	return func(conn net.Conn) error { return served(keys, conn) }, nil
}

func served(agent sshagent.Agent, conn net.Conn) error {
	err := sshagent.ServeAgent(&readOnlyAgent{agent}, conn)
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// readOnlyAgent keeps steps from changing the user's agent.
type readOnlyAgent struct{ sshagent.Agent }

var errReadOnlyAgent = errors.New("a build may not change the agent")

func (*readOnlyAgent) Add(sshagent.AddedKey) error    { return errReadOnlyAgent }
func (*readOnlyAgent) Remove(ssh.PublicKey) error     { return errReadOnlyAgent }
func (*readOnlyAgent) RemoveAll() error               { return errReadOnlyAgent }
func (*readOnlyAgent) Lock([]byte) error              { return errReadOnlyAgent }
func (*readOnlyAgent) Unlock([]byte) error            { return errReadOnlyAgent }
func (*readOnlyAgent) Signers() ([]ssh.Signer, error) { return nil, errReadOnlyAgent }

// SignWithFlags signs; what is embedded would hide it from ServeAgent.
func (a *readOnlyAgent) SignWithFlags(key ssh.PublicKey, data []byte, flags sshagent.SignatureFlags) (*ssh.Signature, error) {
	if extended, ok := a.Agent.(sshagent.ExtendedAgent); ok {
		return extended.SignWithFlags(key, data, flags)
	}
	return a.Sign(key, data)
}

// Extension is none.
func (*readOnlyAgent) Extension(string, []byte) ([]byte, error) {
	return nil, sshagent.ErrExtensionUnsupported
}
