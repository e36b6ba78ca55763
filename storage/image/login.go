package image

import (
	"context"
	"errors"
	"net/url"
	"strings"

	"go.podman.io/image/v5/docker"
	dockerconfig "go.podman.io/image/v5/pkg/docker/config"
	"go.podman.io/image/v5/types"

	"github.com/mosscontainers/moss/pkg/config"
	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/pkg/silence"
)

// Login asks a registry whether it takes the credentials and then stores them, in auth.json or with the
// credential helper that is configured. It returns where.
func Login(ctx context.Context, cfg *config.Config, registry, user, password string, r Registry) (where string, err error) {
	host, err := registryHost(registry)
	if err != nil {
		return "", err
	}
	option, file := r.AuthFile, loginFile(cfg, r.AuthFile)
	sys, err := systemContext(cfg, Registry{CertDir: r.CertDir, TLSVerify: r.TLSVerify}, Platform{})
	if err != nil {
		return "", err
	}
	storeIn(sys, file, option)
	err = silence.Watch(ctx, 0, func(ctx context.Context) error { return docker.CheckAuth(ctx, sys, user, password, host) })
	if err != nil {
		var refused docker.ErrUnauthorizedForCredentials
		if errors.As(err, &refused) {
			return "", errdefs.Errorf(errdefs.ErrDenied, "cannot log in to %s: the user name or the password is wrong", host)
		}
		return "", explain(err, "log in to", host)
	}
	asking := *sys
	asking.DockerAuthConfig = &types.DockerAuthConfig{Username: user, Password: password}
	err = silence.Watch(ctx, 0, func(ctx context.Context) error { return isRegistry(ctx, host, &asking) })
	if err != nil {
		return "", explain(err, "log in to", host)
	}
	where, err = dockerconfig.SetCredentials(sys, host, user, password)
	return where, explain(err, "store the credentials for", host)
}

// Logout forgets the credentials for a registry, or for all of them if registry is "".
func Logout(cfg *config.Config, registry, option string) error {
	file := loginFile(cfg, option)
	sys, err := systemContext(cfg, Registry{}, Platform{})
	if err != nil {
		return err
	}
	storeIn(sys, file, option)
	if registry == "" {
		return explain(dockerconfig.RemoveAllAuthentication(sys), "log out of", "all registries")
	}
	host, err := registryHost(registry)
	if err != nil {
		return err
	}
	err = dockerconfig.RemoveAuthentication(sys, host)
	if errors.Is(err, dockerconfig.ErrNotLoggedIn) {
		return errdefs.Errorf(errdefs.ErrNotFound, "cannot log out of %s: not logged in to it", host)
	}
	return explain(err, "log out of", host)
}

// LoggedInUser is who is logged in to a registry; "" is nobody.
func LoggedInUser(cfg *config.Config, registry, file string) (string, error) {
	host, err := registryHost(registry)
	if err != nil {
		return "", err
	}
	sys, err := systemContext(cfg, Registry{}, Platform{})
	if err != nil {
		return "", err
	}
	sys.AuthFilePath = authFile(cfg, file)
	credentials, err := dockerconfig.GetCredentials(sys, host)
	return credentials.Username, explain(err, "read the credentials for", host)
}

// registryHost takes HOST[:PORT], also with a scheme or a path behind it, as docker login does.
func registryHost(registry string) (string, error) {
	host := registry
	if strings.Contains(host, "://") {
		parsed, err := url.Parse(host)
		if err != nil {
			return "", errdefs.Errorf(errdefs.ErrInvalid, "cannot use %q as a registry: %w", registry, err)
		}
		host = parsed.Host
	}
	host, _, _ = strings.Cut(host, "/")
	if host == "index.docker.io" || host == "registry-1.docker.io" {
		host = "docker.io"
	}
	if host == "" {
		return "", errdefs.Errorf(errdefs.ErrInvalid, "cannot use %q as a registry: give its host, as in registry.example.com:5000", registry)
	}
	return host, nil
}
