package image

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"syscall"

	"github.com/docker/distribution/registry/api/errcode"
	v2 "github.com/docker/distribution/registry/api/v2"
	"go.podman.io/image/v5/docker"
	"go.podman.io/image/v5/manifest"
	"go.podman.io/image/v5/signature"

	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/storage/store"
)

// explain turns an error of the library into a sentence: what could not be done, why, what to do.
// Errors of our own that have a kind stay as they are.
func explain(err error, verb, name string) error {
	if err == nil {
		return nil
	}
	err = reasonOf(err)
	switch {
	case removedMeanwhile(err):
		return errdefs.Errorf(errdefs.ErrNotFound, "cannot %s %s: it was removed meanwhile, or layers that it needs", verb, name)
	case !hasKind(err):
	case strings.HasPrefix(err.Error(), "cannot "):
		return err
	default:
		return fmt.Errorf("cannot %s %s: %w", verb, name, err)
	}
	kind, advice := diagnose(err)
	if advice == adviceLogin && strings.HasPrefix(verb, "push") {
		advice = "use `moss login` or --creds with credentials that may push there"
	}
	if advice != "" {
		advice = "; " + advice
	}
	return errdefs.Errorf(kind, "cannot %s %s: %w%s", verb, name, store.OneLine(err), advice)
}

// reasonOf is why a layer could not be written, where nothing else has failed, and else err.
func reasonOf(err error) error {
	var layer *store.LayerError
	if errors.As(err, &layer) && err.Error() == layer.Error() {
		return layer.Reason
	}
	return err
}

func hasKind(err error) bool {
	for _, kind := range []error{
		errdefs.ErrNotFound, errdefs.ErrConflict, errdefs.ErrInvalid, errdefs.ErrDenied,
		errdefs.ErrUnavailable, errdefs.ErrNoSpace, errdefs.ErrDamaged,
	} {
		if errors.Is(err, kind) {
			return true
		}
	}
	return false
}

// adviceLogin is for those who look for an image: registries say of one that is not there, or not for
// everybody, the same.
const adviceLogin = "the image may not exist, or may need `moss login`"

func diagnose(err error) (kind error, advice string) {
	var dns *net.DNSError
	switch {
	case errors.Is(err, context.Canceled):
		return errdefs.ErrUnavailable, ""
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return errdefs.ErrNoSpace, "free some space, for example with `moss image prune`"
	case unauthorized(err):
		return errdefs.ErrDenied, adviceLogin
	case unknownImage(err):
		return errdefs.ErrNotFound, "check the name and the tag"
	case errors.As(err, new(manifest.NonImageArtifactError)):
		return errdefs.ErrInvalid, "it is an artifact and no image: `moss artifact` pulls and extracts it"
	case errors.Is(err, docker.ErrTooManyRequests):
		return errdefs.ErrUnavailable, "the registry limits requests: wait, or `moss login`"
	case plainHTTP(err):
		return errdefs.ErrUnavailable, "the registry speaks plain HTTP: use --tls-verify=false, or `insecure = true` for it in registries.conf"
	case badCertificate(err):
		return errdefs.ErrUnavailable, "give its certificate with --cert-dir, or use --tls-verify=false"
	case errors.As(err, new(signature.PolicyRequirementError)), errors.As(err, new(signature.InvalidSignatureError)):
		return errdefs.ErrDenied, "`moss image trust show` lists what the signature policy accepts"
	case strings.Contains(err.Error(), "Would invalidate signatures"):
		return errdefs.ErrConflict, "the image has signatures, which would not hold: leave them out with --remove-signatures"
	case strings.Contains(err.Error(), "missing private key needed for decryption"):
		return errdefs.ErrDenied, "the image is encrypted: give the key with --decryption-key FILE"
	case strings.Contains(err.Error(), "no suitable key unwrapper found"):
		return errdefs.ErrDenied, "the image is encrypted for another key than the one of --decryption-key"
	case errors.As(err, &dns):
		return errdefs.ErrUnavailable, "check the name of the registry and the network"
	case errors.Is(err, syscall.ECONNREFUSED):
		return errdefs.ErrUnavailable, "nothing listens there: check the registry's address"
	case errors.Is(err, syscall.EACCES), errors.Is(err, syscall.EPERM):
		return errdefs.ErrDenied, ""
	}
	return errdefs.ErrUnavailable, ""
}

func unauthorized(err error) bool {
	var credentials docker.ErrUnauthorizedForCredentials
	return errors.As(err, &credentials) || hasCode(err, errcode.ErrorCodeUnauthorized, errcode.ErrorCodeDenied)
}

func unknownImage(err error) bool {
	var status docker.UnexpectedHTTPStatusError
	if errors.As(err, &status) && status.StatusCode == http.StatusNotFound {
		return true
	}
	return hasCode(err, v2.ErrorCodeManifestUnknown, v2.ErrorCodeNameUnknown)
}

func hasCode(err error, codes ...errcode.ErrorCode) bool {
	var coded errcode.ErrorCoder
	if !errors.As(err, &coded) {
		return false
	}
	for _, code := range codes {
		if coded.ErrorCode() == code {
			return true
		}
	}
	return false
}

// plainHTTP: net/http has no exported error for a server that answers HTTP to a TLS handshake.
func plainHTTP(err error) bool {
	var record tls.RecordHeaderError
	return errors.As(err, &record) || strings.Contains(err.Error(), "server gave HTTP response to HTTPS client")
}

func badCertificate(err error) bool {
	var authority x509.UnknownAuthorityError
	var host x509.HostnameError
	var invalid x509.CertificateInvalidError
	return errors.As(err, &authority) || errors.As(err, &host) || errors.As(err, &invalid)
}
