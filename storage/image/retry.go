package image

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"syscall"
	"time"

	"github.com/docker/distribution/registry/api/errcode"
	"go.podman.io/image/v5/docker"

	"github.com/mosscontainers/moss/pkg/silence"
)

// firstDelay is waited before the first repetition; it doubles each time.
const firstDelay = time.Second

// retry does something that may fail for a while, like a registry under load, or one that has fallen silent.
func retry(ctx context.Context, o Copying, do func(context.Context) error) error {
	delay := o.RetryDelay
	if delay == 0 {
		delay = firstDelay
	}
	for try := uint(0); ; try++ {
		err := silence.Watch(ctx, o.Patience, do)
		if err == nil || try >= o.Retries || context.Cause(ctx) != nil || !transient(err) {
			return err
		}
		if o.Progress != nil {
			fmt.Fprintf(o.Progress, "Trying again in %s: %v\n", delay, err)
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(delay):
		}
		delay *= 2
	}
}

// retryAfresh is retry, and does it once more where a registry refuses the token that it gave: it may have been revoked since. Whoever
// uses none is asked for a password twice.
func retryAfresh(ctx context.Context, o Copying, do func(context.Context) error) error {
	err := retry(ctx, o, do)
	if refusedToken(err) && context.Cause(ctx) == nil {
		err = retry(ctx, o, do)
	}
	return err
}

// refusedToken says whether a registry, and not who gives tokens for it, wants other credentials.
func refusedToken(err error) bool {
	return hasCode(err, errcode.ErrorCodeUnauthorized) && !errors.As(err, new(docker.ErrUnauthorizedForCredentials))
}

// transient says whether the same request may succeed later.
func transient(err error) bool {
	var status docker.UnexpectedHTTPStatusError
	if errors.As(err, &status) {
		return status.StatusCode >= 500 && status.StatusCode != http.StatusNotImplemented
	}
	var coded errcode.ErrorCoder
	if errors.As(err, &coded) {
		code := coded.ErrorCode().Descriptor().HTTPStatusCode
		return code >= 500 || code == http.StatusTooManyRequests
	}
	var dns *net.DNSError
	if errors.As(err, &dns) {
		return dns.IsTemporary && !dns.IsNotFound
	}
	var timeout net.Error
	return hungUp(err) || errors.Is(err, docker.ErrTooManyRequests) ||
		errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) ||
		errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.As(err, &timeout) && timeout.Timeout()
}

// hungUp says whether a registry ended the connection without an answer, as one does that is being restarted. An end of what
// was read, which is no request's, is an empty answer.
func hungUp(err error) bool {
	var request *url.Error
	return errors.As(err, &request) && (errors.Is(request.Err, io.EOF) || errors.Is(request.Err, net.ErrClosed))
}
