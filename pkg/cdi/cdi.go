// Package cdi gives containers devices by name, as files of the Container Device Interface describe them: VENDOR/CLASS=NAME stands for nodes, mounts and
// variables that whoever made the device put together (https://github.com/cncf-tags/container-device-interface).
package cdi

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	lib "tags.cncf.io/container-device-interface/pkg/cdi"

	"github.com/mosscontainers/moss/pkg/errdefs"
)

// Annotations of devices, which are BuildKit's (docs/cdi.md there).
const (
	classAnnotation = "org.mobyproject.buildkit.device.class"
	allowAnnotation = "org.mobyproject.buildkit.device.autoallow"
)

// Registry is what the files in some directories describe.
type Registry struct {
	cache *lib.Cache
	dirs  []string
}

// Open reads the files of directories, of which later ones win; without any, those of /etc/cdi and /var/run/cdi. A file that cannot be understood describes nothing,
// until one asks for what is not there.
func Open(dirs []string) (*Registry, error) {
	if len(dirs) == 0 {
		dirs = lib.DefaultSpecDirs
	}
	cache, err := lib.NewCache(lib.WithAutoRefresh(false), lib.WithSpecDirs(dirs...))
	if err != nil {
		return nil, fmt.Errorf("cannot read the descriptions of devices: %w", err)
	}
	return &Registry{cache, dirs}, nil
}

// Check says whether there are devices of these names. One that there is not is ErrNotFound.
func (r *Registry) Check(names []string) error {
	for _, name := range names {
		if r.cache.GetDevice(name) == nil {
			return r.missing(name)
		}
	}
	return nil
}

// missing says where there could be a device, and what is wrong with the files that are there.
func (r *Registry) missing(name string) error {
	var bad []error
	for _, errs := range r.cache.GetErrors() {
		bad = append(bad, errs...)
	}
	if len(bad) > 0 {
		return errdefs.Errorf(errdefs.ErrNotFound, "there is no device %s in %s, where not all can be understood: %w", name, strings.Join(r.dirs, " and "), errors.Join(bad...))
	}
	return errdefs.Errorf(errdefs.ErrNotFound, "there is no device %s: no file in %s describes it", name, strings.Join(r.dirs, " and "))
}

// Inject adds what devices consist of to a configuration. What hooks there are goes into hooks of the configuration: not every runtime runs them.
func (r *Registry) Inject(config *specs.Spec, names []string) error {
	if err := r.Check(names); err != nil {
		return err
	}
	if _, err := r.cache.InjectDevices(config, names...); err != nil {
		return errdefs.Errorf(errdefs.ErrInvalid, "cannot use what describes the devices %s: %w", strings.Join(names, ", "), err)
	}
	return nil
}

// Find are the devices that a RUN --device asks for: VENDOR/CLASS=NAME is one, with * for the name all of the class, without a name the first of it, and any other
// word all of those that say that they are of that class.
func (r *Registry) Find(wanted string) []string {
	all := r.cache.ListDevices()
	slices.Sort(all)
	kind, name, named := strings.Cut(wanted, "=")
	var found []string
	for _, one := range all {
		itsKind, _, _ := strings.Cut(one, "=")
		if one == wanted || itsKind == kind && (!named || name == "*") {
			found = append(found, one)
		}
	}
	if !named && len(found) > 1 {
		found = found[:1]
	}
	if len(found) > 0 || wanted == "" {
		return found
	}
	return slices.DeleteFunc(all, func(one string) bool { return r.annotation(one, classAnnotation) != wanted })
}

// Free says whether every build may have a device.
func (r *Registry) Free(name string) bool {
	free, err := strconv.ParseBool(r.annotation(name, allowAnnotation))
	return err == nil && free
}

// annotation is one of a device, or else of its file.
func (r *Registry) annotation(name, key string) string {
	device := r.cache.GetDevice(name)
	if device == nil {
		return ""
	}
	if value, there := device.Annotations[key]; there {
		return value
	}
	return device.GetSpec().Annotations[key]
}
