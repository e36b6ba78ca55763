package libpod

import (
	"os"
	"path/filepath"
	"strings"

	"github.com/mosscontainers/moss/libpod/inspect"
	"github.com/mosscontainers/moss/libpod/state"
	"github.com/mosscontainers/moss/storage"
)

// LogPath is where a container's output is kept.
func (e *Engine) LogPath(c *state.Container) string {
	if c.Spec.LogPath != "" {
		return c.Spec.LogPath
	}
	return filepath.Join(c.Dir, logFile)
}

// InspectContainer is Docker's and Podman's document of one container. size asks for what its own layer holds.
func (e *Engine) InspectContainer(ref string, size bool) (*inspect.ContainerData, error) {
	c, err := e.Whole(ref)
	if err != nil {
		return nil, err
	}
	host, err := e.Facts()
	if err != nil {
		return nil, err
	}
	capabilities, err := c.Spec.Capabilities(host)
	if err != nil {
		return nil, err
	}
	hostname, err := hostname(c.Spec)
	if err != nil {
		return nil, err
	}
	runDir := e.runDirOf(c)
	if text, err := os.ReadFile(filepath.Join(runDir, hostnameFile)); err == nil && len(text) > 0 {
		hostname = strings.TrimSuffix(string(text), "\n") // of the container whose network it has
	}
	facts := inspect.Facts{
		Hostname:       hostname,
		LogPath:        e.LogPath(c),
		ResolvConfPath: filepath.Join(runDir, "resolv.conf"),
		HostnamePath:   filepath.Join(runDir, hostnameFile),
		HostsPath:      filepath.Join(runDir, "hosts"),
		Capabilities:   capabilities,
		VolumePath:     func(name string) string { return filepath.Join(e.volumeDir(name), volumeData) },
		Layers: map[string]string{
			"UpperDir": filepath.Join(c.Dir, upperDir),
			"WorkDir":  filepath.Join(c.Dir, workDir),
		},
	}
	img, imgErr := storage.Resolve(e.Config, c.Spec.Image.ID) // one that was removed by force leaves its fields empty
	if imgErr == nil {
		facts.Layers["LowerDir"] = lowerDirs(img)
		if len(img.Digests) > 0 {
			facts.ImageDigest = img.Digests[0]
		}
	}
	if size {
		own, all, err := e.Size(c)
		if err != nil {
			return nil, err
		}
		facts.SizeRw, facts.SizeRootFs = &own, &all
	}
	return inspect.Container(c, facts), nil
}

func lowerDirs(img *storage.Image) string {
	list := ""
	for i, dir := range img.Lower {
		if i > 0 {
			list += ":"
		}
		list += storage.LayerDir(img.Home, dir)
	}
	return list
}
