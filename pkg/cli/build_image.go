//go:build !moss_front

package cli

import (
	"fmt"
	"slices"
	"strings"

	"github.com/containerd/platforms"
	"github.com/spf13/pflag"

	"github.com/mosscontainers/moss/pkg/build"
	"github.com/mosscontainers/moss/pkg/build/export"
	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/pkg/spec"
)

// buildImageOptions are the flags of build that say what its images are like.
type buildImageOptions struct {
	build.ImageOptions
	tags, labels, annotate []string
	env                    []string
	layerLabels            []string // of images in between, which there are none of
	format                 string
	identity, inherit      bool
	layers                 bool
	os, arch, variant      string
}

func (o *buildImageOptions) addFlags(fs *pflag.FlagSet) {
	fs.StringArrayVarP(&o.tags, "tag", "t", nil, "`name` of the image; may be given several times")
	fs.StringVar(&o.List, "manifest", "", "add the image to this manifest `list`, which is made where there is none")
	fs.StringVar(&o.format, "format", "oci", "format of the image: oci or docker")
	fs.BoolVar(&o.Squash, "squash", false, "make one layer of those that the Dockerfile adds")
	fs.BoolVar(&o.SquashAll, "squash-all", false, "make one layer of all")
	fs.BoolVar(&o.layers, "layers", true, "remember steps, and give each its layer; without: do all steps anew, and make one layer of them")
	fs.BoolVar(&o.OmitHistory, "omit-history", false, "leave the history out of the image")
	o.addConfigFlags(fs)
}

// addConfigFlags declares what is about the configuration and the manifest.
func (o *buildImageOptions) addConfigFlags(fs *pflag.FlagSet) {
	fs.StringArrayVar(&o.labels, "label", nil, "label of the image, `KEY=VALUE`")
	fs.StringArrayVar(&o.layerLabels, "layer-label", nil, "label of images in between, of which there are none: accepted for podman's sake")
	fs.StringArrayVar(&o.UnsetLabels, "unsetlabel", nil, "leave this `label` out of the image")
	fs.BoolVar(&o.inherit, "inherit-labels", true, "keep the labels of the image that the last stage begins with")
	fs.BoolVar(&o.identity, "identity-label", false, "label the image with the version of moss that made it")
	fs.StringArrayVar(&o.annotate, "annotation", nil, "annotation of the manifest, or of the list with index: before it, `KEY=VALUE`")
	fs.StringArrayVar(&o.UnsetAnnotations, "unsetannotation", nil, "leave this `annotation` of the image below out")
	fs.BoolVar(&o.InheritAnnotations, "inherit-annotations", false, "keep the annotations of the image that the last stage begins with")
	fs.BoolVar(&o.CreatedAnnotation, "created-annotation", false, "annotate the manifest with the time when the image was made")
	fs.StringArrayVar(&o.env, "env", nil, "variable of the image's environment, `NAME=VALUE`, or NAME to take it from here")
	fs.StringArrayVar(&o.UnsetEnv, "unsetenv", nil, "leave this `variable` of the environment out of the image")
	fs.StringVar(&o.os, "os", "", "operating system to build for (default this one's)")
	fs.StringVar(&o.arch, "arch", "", "architecture to build for (default this machine's)")
	fs.StringVar(&o.variant, "variant", "", "variant of the architecture to build for")
	fs.StringVar(&o.OSVersion, "os-version", "", "version of the operating system that the image needs")
	fs.StringArrayVar(&o.OSFeatures, "os-feature", nil, "feature of the operating system that the image needs; with - behind it, that it does not need")
}

// complete reads the flags.
func (o *buildImageOptions) complete() (err error) {
	if o.Docker, err = isDockerFormat(o.format); err != nil {
		return err
	}
	if o.Env, err = spec.ParseEnv(o.env); err != nil {
		return err
	}
	o.DropLabels = !o.inherit
	o.Squash = o.Squash || !o.layers && !o.SquashAll
	if o.identity {
		o.labels = append([]string{"io.mosscontainers.version=" + Version}, o.labels...)
	}
	o.PlatformAnnotations, o.ListAnnotations = map[string]map[string]string{}, map[string]string{}
	if o.Annotations = map[string]string{}; o.Docker {
		o.InheritAnnotations, o.CreatedAnnotation = false, false // that format has no place for them
	}
	for _, a := range o.annotate {
		if err := o.annotation(a); err != nil {
			return err
		}
	}
	return nil
}

// isDockerFormat reads --format of commands that make images.
func isDockerFormat(name string) (bool, error) {
	switch name {
	case "docker", "v2s2":
		return true, nil
	case "oci", "oci1", "":
		return false, nil
	}
	return false, errdefs.Errorf(errdefs.ErrInvalid, "cannot use --format %s: it is oci or docker", name)
}

// platform is what --os, --arch and --variant name together; "" without them.
func (o *buildImageOptions) platform(os, arch string) string {
	if o.os == "" && o.arch == "" && o.variant == "" {
		return ""
	}
	if o.os != "" {
		os = o.os
	}
	if o.arch != "" {
		arch = o.arch
	}
	return strings.TrimSuffix(os+"/"+arch+"/"+o.variant, "/")
}

// annotation reads one of --annotation. What is before a colon says what it is of: manifest (also manifest[PLATFORM]) or index, or both,
// with a comma between them.
func (o *buildImageOptions) annotation(text string) error {
	key, value, ok := strings.Cut(text, "=")
	kinds := []string{"manifest"}
	if before, rest, typed := strings.Cut(key, ":"); typed && namesKinds(before) {
		kinds, key = strings.Split(before, ","), rest
	}
	if !ok || key == "" {
		return errdefs.Errorf(errdefs.ErrInvalid, "cannot use --annotation %q: write KEY=VALUE", text)
	}
	for _, kind := range kinds {
		if err := o.annotateKind(kind, key, value); err != nil {
			return errdefs.Errorf(errdefs.ErrInvalid, "cannot use --annotation %s: %w", text, err)
		}
	}
	return nil
}

// namesKinds says whether what is before the colon of an annotation tells what is annotated; other words there are a part of its key.
func namesKinds(before string) bool {
	for kind := range strings.SplitSeq(before, ",") {
		kind, _, _ = strings.Cut(kind, "[")
		if !slices.Contains([]string{"manifest", "index", "manifest-descriptor", "index-descriptor"}, kind) {
			return false
		}
	}
	return true
}

func (o *buildImageOptions) annotateKind(kind, key, value string) error {
	kind, platform, one := strings.Cut(strings.TrimSuffix(kind, "]"), "[")
	switch {
	case kind == "manifest" && one:
		name, err := platformName(platform)
		if err != nil {
			return err
		}
		o.AnnotatePlatform(name, key, value)
	case kind == "manifest":
		o.Annotations[key] = value
	case kind == "index" && !one:
		o.ListAnnotations[key] = value
	default:
		return fmt.Errorf("%w; write manifest:KEY=VALUE or index:KEY=VALUE", export.ErrDescriptor)
	}
	return nil
}

// platformName is a platform as all of its spellings are written.
func platformName(text string) (string, error) {
	p, err := platforms.Parse(text)
	if err != nil {
		return "", err
	}
	return platforms.Format(platforms.Normalize(p)), nil
}
