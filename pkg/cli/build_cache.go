//go:build !moss_front

package cli

import (
	"github.com/spf13/pflag"

	"github.com/mosscontainers/moss/pkg/build"
	"github.com/mosscontainers/moss/pkg/build/export"
)

// cacheOptions are the flags of build about what other builds remember.
type cacheOptions struct {
	fromFlags, toFlags []string
	to                 []export.CacheSpec
}

func (o *cacheOptions) addFlags(fs *pflag.FlagSet) {
	fs.StringArrayVar(&o.fromFlags, "cache-from", nil, "look for steps here that are not remembered: an image, `type=registry,ref=NAME` or type=local,src=DIRECTORY")
	fs.StringArrayVar(&o.toFlags, "cache-to", nil, "bring what is remembered of the steps here: an image, `type=registry,ref=NAME`, type=local,dest=DIRECTORY or type=inline; mode=max is all steps")
}

// parse reads the flags.
func (o *cacheOptions) parse(to *build.Options) error {
	for _, text := range o.fromFlags {
		spec, err := export.ParseCache("cache-from", text)
		if err != nil {
			return err
		}
		to.CacheFrom = append(to.CacheFrom, spec)
	}
	for _, text := range o.toFlags {
		spec, err := export.ParseCache("cache-to", text)
		if err != nil {
			return err
		}
		to.Inline = to.Inline || spec.Type == export.Inline
		o.to = append(o.to, spec)
	}
	return nil
}
