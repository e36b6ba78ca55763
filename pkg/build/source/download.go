package source

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"
	"unicode"

	"github.com/opencontainers/go-digest"

	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/pkg/silence"
)

// ask gets a file, nothing if it is the known one.
func (s *Store) ask(ctx context.Context, f *file, known memory) (*download, error) {
	d, err := silence.Ask(ctx, func(ctx context.Context) (*download, error) { return s.get(ctx, f, known) })
	if silent := new(silence.Error); errors.As(err, &silent) {
		err = errdefs.Errorf(errdefs.ErrUnavailable, "cannot get %s: %w", f.url.Redacted(), err)
	}
	return d, err
}

func (s *Store) get(ctx context.Context, f *file, known memory) (*download, error) {
	response, err := s.send(ctx, f, known)
	if err != nil {
		if cause := context.Cause(ctx); cause != nil {
			err = cause
		}
		return nil, errdefs.Errorf(errdefs.ErrUnavailable, "cannot get %s: %w", f.url.Redacted(), err)
	}
	defer response.Body.Close()
	if response.StatusCode == http.StatusNotModified && known.Key != "" {
		return nil, nil
	}
	if response.StatusCode != http.StatusOK {
		return nil, errdefs.Errorf(kindOf(response.StatusCode), "cannot get %s: the server answered %s", f.url.Redacted(), response.Status)
	}
	d, err := s.save(f, response, response.Body)
	if err != nil {
		return nil, errdefs.NoSpace(fmt.Errorf("cannot get %s: %w", f.url.Redacted(), errors.Join(err, context.Cause(ctx))))
	}
	return d, nil
}

func kindOf(status int) error {
	switch status {
	case http.StatusNotFound, http.StatusGone:
		return errdefs.ErrNotFound
	case http.StatusUnauthorized, http.StatusForbidden:
		return errdefs.ErrDenied
	}
	return errdefs.ErrUnavailable
}

func (s *Store) send(ctx context.Context, f *file, known memory) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, f.url.String(), nil)
	if err != nil {
		return nil, err
	}
	request.Header = f.header.Clone()
	if request.Header.Get("User-Agent") == "" {
		request.Header.Set("User-Agent", "moss")
	}
	// The file is wanted as it is: the library would unpack what is compressed on the way.
	request.Header.Set("Accept-Encoding", "identity")
	if known.ETag != "" {
		request.Header.Set("If-None-Match", known.ETag)
	} else if known.LastModified != "" {
		request.Header.Set("If-Modified-Since", known.LastModified)
	}
	authorization, err := s.authorization(f)
	if err != nil {
		return nil, err
	}
	client := &http.Client{CheckRedirect: func(next *http.Request, via []*http.Request) error {
		return redirect(next, via, authorization)
	}}
	if authorization != "" {
		request.Header.Set("Authorization", authorization)
	}
	return client.Do(request)
}

// redirect follows a server to elsewhere. Credentials go to where they are for and nowhere else, not to a host below that one either.
func redirect(next *http.Request, via []*http.Request, authorization string) error {
	if len(via) >= 10 {
		return errors.New("the servers send us on and on")
	}
	if next.URL.Scheme != "http" && next.URL.Scheme != "https" {
		return fmt.Errorf("the server sends us on to a %s URL", next.URL.Scheme)
	}
	next.Header.Del("Authorization")
	next.Header.Del("Cookie")
	next.Header.Del("Referer")
	first := via[0].URL
	if authorization != "" && next.URL.Scheme == first.Scheme && next.URL.Host == first.Host {
		next.Header.Set("Authorization", authorization)
	}
	return nil
}

// authorization is the header of the secret that a file is to be got with, or that there is for its host.
func (s *Store) authorization(f *file) (string, error) {
	if f.auth != "" {
		value, id, err := s.secret(f.auth)
		if err == nil && id == "" {
			err = errdefs.Errorf(errdefs.ErrNotFound, "the secret %q is not there: give it with --secret", f.auth)
		}
		return string(value), err
	}
	token := "HTTP_AUTH_TOKEN_" + f.url.Hostname()
	value, id, err := s.secret("HTTP_AUTH_HEADER_"+f.url.Hostname(), token)
	if id == token {
		return "Bearer " + strings.TrimSpace(string(value)), err
	}
	return strings.TrimSpace(string(value)), err
}

// save writes what a server sends. Its size is bounded by the disk.
func (s *Store) save(f *file, response *http.Response, body io.Reader) (*download, error) {
	draft, err := s.draft()
	if err != nil {
		return nil, err
	}
	d := &download{draft: draft, memory: memory{
		Name: nameOf(f, response), ETag: response.Header.Get("ETag"), LastModified: response.Header.Get("Last-Modified"),
	}}
	if d.Digest, err = d.write(f, body); err != nil {
		return nil, draft.discard(err)
	}
	d.Key = keyOf("http", d.Name, f.perm, f.uid, f.gid, d.Digest, d.modified().Unix())
	return d, nil
}

func (d *download) modified() time.Time {
	if t, err := http.ParseTime(d.LastModified); err == nil {
		return t
	}
	return epoch
}

func (d *download) write(f *file, body io.Reader) (digest.Digest, error) {
	root := filepath.Join(d.draft.dir, "root")
	if err := errors.Join(os.Mkdir(root, 0o755), os.Chmod(root, 0o755)); err != nil { // whatever the umask
		return "", err
	}
	name := filepath.Join(root, d.Name)
	to, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return "", err
	}
	sum := digest.SHA256.Digester()
	if f.checksum != "" && f.checksum.Algorithm().Available() {
		sum = f.checksum.Algorithm().Digester()
	}
	_, err = io.Copy(io.MultiWriter(to, sum.Hash()), body)
	if err == nil {
		err = to.Chmod(f.perm)
	}
	if err == nil && (f.uid != 0 || f.gid != 0) {
		err = to.Chown(f.uid, f.gid)
	}
	if err := errors.Join(err, to.Close(), os.Chtimes(name, d.modified(), d.modified())); err != nil {
		return "", err
	}
	return sum.Digest(), nil
}

// nameOf is what a file is called: as the build says, as the server says, or as its URL ends.
func nameOf(f *file, response *http.Response) string {
	if f.name != "" {
		return safeName(f.name)
	}
	if _, params, err := mime.ParseMediaType(response.Header.Get("Content-Disposition")); err == nil {
		if name := params["filename"]; name != "" && !strings.HasSuffix(name, "/") {
			return safeName(name)
		}
	}
	return safeName(urlName(f.url))
}

func urlName(u *url.URL) string {
	if base := path.Base(u.Path); base != "." && base != "/" {
		return base
	}
	return ""
}

// safeName makes one component of whatever somebody calls a file.
func safeName(name string) string {
	base := filepath.Base(strings.TrimSpace(name))
	if base == "." || base == ".." || base == "/" || len(base) > 255 || strings.ContainsFunc(base, unicode.IsControl) {
		return "download"
	}
	return base
}
