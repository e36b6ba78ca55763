//go:build !moss_front

package cli

import (
	"path/filepath"
	"slices"

	"github.com/spf13/pflag"
)

// repeatable are the flags of build that mean the same each time, beside those of steps: they name nothing that could change but what the
// build is seen to read. What others name would have to be compared before a build is answered without building.
var repeatable = append([]string{
	"annotation", "authfile", "build-arg", "cert-dir", "compress", "creds", "env", "file", "force-rm", "format", "iidfile", "isolation", "jobs",
	"label", "layers", "load", "omit-history", "platform", "progress", "pull", "quiet", "retry", "retry-delay", "rm", "source-date-epoch", "tag",
	"target", "timestamp", "tls-verify", "unsetenv", "unsetlabel",
}, stepFlags...)

// repeats says whether the same command line could be answered from a record.
func (o *buildOptions) repeats(fs *flagSet) bool {
	same := o.context != stdinName && o.FrontEnd["dockerfilekey"] == "" && len(o.SourcePolicy) == 0 && o.namesDockerfile()
	fs.Visit(func(f *pflag.Flag) { same = same && slices.Contains(repeatable, f.Name) })
	return same && o.mode() != "rawjson" // which tells times to programs
}

// namesDockerfile says that the Dockerfile is the first one that was looked for, or in a directory whose list of names is compared.
func (o *buildOptions) namesDockerfile() bool {
	if o.file == "" {
		return o.Locals["dockerfile"] == o.Locals["context"] // else a link led elsewhere
	}
	path, err := filepath.Abs(o.file)
	return err == nil && path == filepath.Join(o.Locals["dockerfile"], o.FrontEnd["filename"])
}
