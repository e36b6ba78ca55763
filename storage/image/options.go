package image

import (
	"cmp"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"go.podman.io/image/v5/types"

	"github.com/mosscontainers/moss/pkg/config"
	"github.com/mosscontainers/moss/pkg/errdefs"
)

// Registry is how to talk to registries. The zero value follows the configuration files.
type Registry struct {
	AuthFile  string // instead of the usual auth.json
	Creds     string // USER or USER:PASSWORD
	CertDir   string // with *.crt, *.cert and *.key
	TLSVerify *bool  // nil: what registries.conf says
}

// Platform chooses one image of a list. Empty fields are this machine's.
type Platform struct{ OS, Arch, Variant string }

func (p Platform) String() string { return strings.TrimSuffix(p.OS+"/"+p.Arch+"/"+p.Variant, "/") }

// systems are operating systems of images: a platform that is one of these is no architecture.
var systems = []string{"linux", "windows", "freebsd", "darwin"}

// ParsePlatform reads OS/ARCH[/VARIANT], or one of OS and ARCH alone.
func ParsePlatform(s string) (Platform, error) {
	parts := strings.Split(s, "/")
	for _, part := range parts {
		if part == "" {
			return Platform{}, errdefs.Errorf(errdefs.ErrInvalid, "cannot use the platform %q: write OS/ARCH or OS/ARCH/VARIANT, as in linux/arm64", s)
		}
	}
	switch len(parts) {
	case 1:
		if slices.Contains(systems, s) {
			return Platform{OS: s, Arch: runtime.GOARCH}, nil
		}
		return Platform{OS: runtime.GOOS, Arch: parts[0]}, nil
	case 2:
		return Platform{OS: parts[0], Arch: parts[1]}, nil
	case 3:
		return Platform{OS: parts[0], Arch: parts[1], Variant: parts[2]}, nil
	}
	return Platform{}, errdefs.Errorf(errdefs.ErrInvalid, "cannot use the platform %q: write OS/ARCH or OS/ARCH/VARIANT, as in linux/arm64", s)
}

// Copying is what all transfers have in common.
type Copying struct {
	Registry
	Progress   io.Writer     // bars on a terminal, lines elsewhere; nil is quiet
	Retries    uint          // after the first failure that may be transient
	RetryDelay time.Duration // 0: 1 s, doubled each time
	Patience   time.Duration // how long a registry may carry nothing (silence.Watch)
}

// systemContext is the library's form of the options, with our directory for temporary files.
func (im *Images) systemContext(r Registry, p Platform) (*types.SystemContext, error) {
	sys, err := systemContext(im.cfg, r, p)
	if err != nil {
		return nil, err
	}
	sys.BigFilesTemporaryDir, err = im.store.TempDir()
	return sys, err
}

// plain is the systemContext of a move between local places.
func (im *Images) plain() (*types.SystemContext, error) {
	return im.systemContext(Registry{}, Platform{})
}

// systemContext is the library's form of the options.
func systemContext(cfg *config.Config, r Registry, p Platform) (*types.SystemContext, error) {
	if err := tellRuntimeDir(cfg); err != nil {
		return nil, err
	}
	sys := &types.SystemContext{
		AuthFilePath:            authFile(cfg, r.AuthFile),
		DockerCertPath:          r.CertDir,
		OSChoice:                p.OS,
		ArchitectureChoice:      p.Arch,
		VariantChoice:           p.Variant,
		DockerRegistryUserAgent: "moss",
		BlobInfoCacheDir:        blobCacheDir(cfg.User),
	}
	if r.TLSVerify != nil {
		sys.DockerInsecureSkipTLSVerify = types.NewOptionalBool(!*r.TLSVerify)
		sys.OCIInsecureSkipTLSVerify = !*r.TLSVerify
	}
	if r.Creds != "" {
		user, password, _ := strings.Cut(r.Creds, ":")
		if user == "" {
			return nil, errdefs.Errorf(errdefs.ErrInvalid, "cannot use the credentials: write --creds USER:PASSWORD")
		}
		sys.DockerAuthConfig = &types.DockerAuthConfig{Username: user, Password: password}
	}
	if r.AuthFile != "" {
		if _, err := os.Stat(r.AuthFile); err != nil {
			return nil, errdefs.Errorf(errdefs.ErrInvalid, "cannot read credentials: %w", err)
		}
	}
	return sys, nil
}

// tellRuntimeDir gives the library our runtime directory where the environment names none. It would look
// for auth.json in /run/containers/0 instead, where a user in a namespace of his own may not even look.
func tellRuntimeDir(cfg *config.Config) error {
	const key = "XDG_RUNTIME_DIR"
	if cfg.User.UID == 0 || os.Getenv(key) != "" {
		return nil
	}
	return os.Setenv(key, cfg.RuntimeDir)
}

// authFile is the file that credentials are read from: the option, $REGISTRY_AUTH_FILE, that of Docker which $DOCKER_CONFIG names, if it has any,
// or "" for the library's own search, which begins with $XDG_RUNTIME_DIR/containers/auth.json.
func authFile(_ *config.Config, option string) string {
	file := cmp.Or(option, os.Getenv("REGISTRY_AUTH_FILE"))
	if file != "" {
		return file
	}
	if docker := dockerFile(option); docker != "" && hasCredentials(docker) {
		return docker
	}
	return ""
}

// hasCredentials says whether a file of Docker's has any: many have a proxy or a default for progress only.
func hasCredentials(file string) bool {
	data, err := os.ReadFile(file)
	if err != nil {
		return false
	}
	var has struct {
		Auths, CredHelpers map[string]json.RawMessage
		CredsStore         string
	}
	return json.Unmarshal(data, &has) != nil || len(has.Auths)+len(has.CredHelpers) > 0 || has.CredsStore != "" // the library says what is wrong with it
}

// dockerFile is Docker's own file of credentials, where the environment names its directory, and nothing names another: pipelines have one for each of their
// jobs, and remove it. "" otherwise.
func dockerFile(option string) string {
	if dir := os.Getenv("DOCKER_CONFIG"); dir != "" && cmp.Or(option, os.Getenv("REGISTRY_AUTH_FILE")) == "" {
		return filepath.Join(dir, "config.json")
	}
	return ""
}

// storeIn has credentials written to, and removed from, the file of loginFile, or Docker's own.
func storeIn(sys *types.SystemContext, file, option string) {
	if sys.AuthFilePath = file; option == "" {
		sys.DockerCompatAuthFilePath = dockerFile(option)
	}
	if sys.DockerCompatAuthFilePath != "" {
		sys.AuthFilePath = ""
	}
}

// loginFile is authFile for writing; ask it before systemContext. Without XDG_RUNTIME_DIR Podman and Skopeo
// do not know our runtime directory, but they do read the file in the user's configuration.
func loginFile(cfg *config.Config, option string) string {
	if file := cmp.Or(option, os.Getenv("REGISTRY_AUTH_FILE")); file != "" {
		return file
	}
	if cfg.User.UID == 0 || os.Getenv("XDG_RUNTIME_DIR") != "" {
		return ""
	}
	return filepath.Join(cfg.User.ConfigHome, "containers", "auth.json")
}
