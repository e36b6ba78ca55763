package libpod

import (
	"fmt"
	"io"
	"net/netip"
	"os"

	"github.com/mosscontainers/moss/libpod/runtime"
	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/pkg/spec"
	"github.com/mosscontainers/moss/pkg/sys"
	"github.com/mosscontainers/moss/storage"
)

// maxHosts bounds what is read of a hosts file, in bytes.
const maxHosts = 1 << 20

// linkAndBase completes what the container's hosts file is made of. Of a container that runs, strict is false: those that it is linked to may
// have ended, and come back with the same addresses, or have been removed.
func (e *Engine) linkAndBase(k *known, strict bool) (err error) {
	for i := range k.at {
		want := k.c.Connection(k.at[i].Network)
		if want == nil {
			continue
		}
		for _, link := range want.Links {
			line, err := e.link(link, want.Name, strict)
			if err != nil && !strict {
				continue
			}
			if err != nil {
				return fmt.Errorf("cannot link container %s: %w", k.c.Name, err)
			}
			k.links = append(k.links, line)
		}
	}
	k.base, err = e.baseHosts(k.c)
	return err
}

// checkLinks says whether the containers are there that a running one is to be linked to.
func (w *wiring) checkLinks(want spec.Connection) error {
	for _, link := range want.Links {
		if w.netns == nil {
			return nil
		}
		if _, err := w.link(link, want.Name, false); err != nil {
			return fmt.Errorf("cannot link container %s: %w", w.l.Spec.Name, err)
		}
	}
	return nil
}

// link is the line for one container on a network, as of --add-host.
func (e *Engine) link(text, network string, strict bool) (string, error) {
	ref, alias, err := spec.ParseLink(text)
	if err != nil {
		return "", err
	}
	c, err := e.Whole(ref)
	if err != nil {
		return "", err
	}
	at := c.State.Network.Endpoint(network)
	if at == nil || strict && !c.State.Active() {
		return "", errdefs.Errorf(errdefs.ErrConflict, "container %s does not run on network %q; start it first", c.Spec.Name, network)
	}
	names := alias
	if alias != c.Spec.Name {
		names += ";" + c.Spec.Name
	}
	addr := at.Address.Addr()
	if !addr.IsValid() {
		addr = at.Address6.Addr()
	}
	return names + ":" + bracketed(addr), nil
}

func bracketed(a netip.Addr) string {
	if a.Is6() {
		return "[" + a.String() + "]"
	}
	return a.String()
}

// baseHosts is what the container's hosts file begins with; nil is for package network to say.
func (e *Engine) baseHosts(c *spec.Container) (base []byte, err error) {
	switch c.HostsFile {
	case "":
		return nil, nil
	case spec.HostsFileNone:
		return []byte{}, nil
	case spec.HostsFileImage:
		base, err = e.imageHosts(c)
	default:
		base, err = readHosts(c.HostsFile)
	}
	if err != nil {
		return nil, errdefs.Errorf(errdefs.ErrInvalid, "cannot begin /etc/hosts with --hosts-file %s: %w", c.HostsFile, err)
	}
	return base, nil
}

func readHosts(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, onHost(err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxHosts+1))
	if err == nil && len(data) > maxHosts {
		err = fmt.Errorf("it is larger than %d bytes", maxHosts)
	}
	return data, err
}

// imageHosts reads the image's own file, through a mount of its layers that nobody else sees.
func (e *Engine) imageHosts(c *spec.Container) ([]byte, error) {
	root, err := e.imageRoot(c)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	return sys.ReadRegular(root, "etc/hosts", maxHosts)
}

func (e *Engine) imageRoot(c *spec.Container) (*os.File, error) {
	if c.Image.Rootfs != "" {
		return os.Open(c.Image.Rootfs)
	}
	img, err := storage.Resolve(e.Config, c.Image.ID)
	if err != nil {
		return nil, err
	}
	places, err := e.mountPoints()
	if err != nil {
		return nil, err
	}
	facts, err := e.Facts()
	if err != nil {
		return nil, err
	}
	overlay := runtime.Overlay{Home: img.Home, Lower: append(img.Lower[:len(img.Lower):len(img.Lower)], places), UserXattr: facts.OverlayUserXattr()}
	return overlay.Open(places)
}
