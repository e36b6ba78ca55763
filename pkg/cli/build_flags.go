//go:build !moss_front

package cli

import (
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/mosscontainers/moss/pkg/build"
	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/storage/image"
)

type flagSet = pflag.FlagSet

// buildOptions are the flags of build.
type buildOptions struct {
	build.Options
	transferOptions
	output outputOptions
	cache  cacheOptions
	attest attestOptions
	image  build.ImageOptions

	context    string
	file       string
	ignoreFile string
	contexts   []string // --build-context
	tags       []string
	target     string
	args       []string
	argFiles   []string
	labels     []string
	annotate   []string
	platforms  []string
	noCache    bool
	noCacheOf  []string
	pull       string
	allow      []string

	secrets []string
	agents  []string

	sourceEpoch string
	timestamp   string
	format      string
	isolation   string

	progress string
	call     string
	callJSON bool
	check    bool
	iidfile  string
	metadata string
	ignored  ignoredBuildFlags
}

// ignoredBuildFlags are accepted because scripts have them: what they ask for is so anyway, or has nothing to ask it of.
type ignoredBuildFlags struct {
	on   bool
	text string
}

// stepFlags are those of run that say something of the containers of steps.
var stepFlags = []string{
	"add-host", "cap-add", "cap-drop", "cpus", "device", "dns", "dns-option", "dns-search", "group-add", "memory", "memory-swap", "net", "network",
	"no-hosts", "security-opt", "shm-size", "ulimit", "volume",
}

func (o *buildOptions) addFlags(fs *pflag.FlagSet) {
	o.addInputFlags(fs)
	o.addOutcomeFlags(fs)
	o.output.addFlags(fs)
	o.cache.addFlags(fs)
	o.attest.addFlags(fs)
	o.addRegistryFlags(fs)
	fs.StringVar(&o.Creds, "creds", "", "credentials for registries, USER:PASSWORD")
	fs.UintVar(&o.Retries, "retry", pullRetries, "how often to try again what failed for a passing reason")
	fs.StringVar(&o.delay, "retry-delay", "", "wait before the first repetition, as in 2s; it doubles each time")
	all := pflag.NewFlagSet("", pflag.ContinueOnError)
	o.Step.AddFlags(all)
	for _, name := range stepFlags {
		fs.AddFlag(all.Lookup(name))
	}
	o.addIgnoredFlags(fs)
}

// addInputFlags declares what is built, of what.
func (o *buildOptions) addInputFlags(fs *pflag.FlagSet) {
	fs.StringVarP(&o.file, "file", "f", "", "the Dockerfile, - for the standard input (default Containerfile or Dockerfile in the context)")
	fs.StringVar(&o.ignoreFile, "ignorefile", "", "use this file instead of the context's .containerignore or .dockerignore")
	fs.StringArrayVar(&o.contexts, "build-context", nil, "another context, `NAME=SOURCE`: a directory, docker-image://NAME, an URL")
	fs.StringVar(&o.target, "target", "", "build this stage")
	fs.StringArrayVar(&o.args, "build-arg", nil, "value of an ARG: `NAME=VALUE`, or NAME to take it from here")
	fs.StringArrayVar(&o.argFiles, "build-arg-file", nil, "read values of ARGs from a `file`")
	fs.StringSliceVar(&o.platforms, "platform", nil, "`platform` to build for, OS/ARCH[/VARIANT]; several make a manifest list")
	fs.BoolVar(&o.noCache, "no-cache", false, "do all steps anew")
	fs.StringSliceVar(&o.noCacheOf, "no-cache-filter", nil, "do the steps of this `stage` anew")
	fs.StringVar(&o.pull, "pull", "missing", "when to pull images: always, missing, never, newer")
	fs.Lookup("pull").NoOptDefVal = "always"
	fs.StringSliceVar(&o.allow, "allow", nil, "what the Dockerfile may ask for: security.insecure, network.host")
	fs.StringArrayVar(&o.secrets, "secret", nil, "a `secret`: id=NAME[,src=FILE|,env=VARIABLE]")
	fs.StringArrayVar(&o.agents, "ssh", nil, "an SSH `agent`: default, or NAME[=SOCKET|=KEY,...]")
	fs.IntVar(&o.Jobs, "jobs", runtime.NumCPU(), "how many steps to work on at a time; 0 is no limit")
}

// addOutcomeFlags declares what becomes of it.
func (o *buildOptions) addOutcomeFlags(fs *pflag.FlagSet) {
	fs.StringArrayVarP(&o.tags, "tag", "t", nil, "`name` of the image; may be given several times")
	fs.StringArrayVar(&o.labels, "label", nil, "label of the image, `KEY=VALUE`")
	fs.StringArrayVar(&o.annotate, "annotation", nil, "annotation of the manifest, `KEY=VALUE`")
	fs.StringArrayVar(&o.image.Env, "env", nil, "variable of the image's environment, `NAME=VALUE`")
	fs.StringArrayVar(&o.image.UnsetEnv, "unsetenv", nil, "leave this `variable` of the environment out of the image")
	fs.StringArrayVar(&o.image.UnsetLabels, "unsetlabel", nil, "leave this `label` out of the image")
	fs.StringVar(&o.format, "format", "oci", "format of the image: oci or docker")
	fs.BoolVar(&o.image.Squash, "squash", false, "make one layer of those that the Dockerfile adds")
	fs.BoolVar(&o.image.SquashAll, "squash-all", false, "make one layer of all")
	fs.BoolVar(&o.image.OmitHistory, "omit-history", false, "leave the history out of the image")
	fs.StringVar(&o.sourceEpoch, "source-date-epoch", "", "seconds since 1970: nothing in the image is newer (default SOURCE_DATE_EPOCH)")
	fs.StringVar(&o.timestamp, "timestamp", "", "seconds since 1970: the time of everything that the build adds")
	fs.StringVar(&o.progress, "progress", "auto", "how to show progress: auto, plain, tty, rawjson, quiet")
	fs.BoolVarP(&o.quiet, "quiet", "q", false, "print only the image's id")
	fs.StringVar(&o.iidfile, "iidfile", "", "write the image's id to this file")
	fs.StringVar(&o.metadata, "metadata-file", "", "write what was built to this file, as JSON")
	fs.StringVar(&o.call, "call", "build", "what to do: build, check, outline or targets")
	fs.BoolVar(&o.check, "check", false, "only check the Dockerfile: --call check")
}

func (o *buildOptions) addIgnoredFlags(fs *pflag.FlagSet) {
	const same = "accepted for compatibility: it is so anyway"
	i := &o.ignored
	for _, name := range []string{"rm", "force-rm", "layers", "compress", "skip-unused-stages", "rewrite-timestamp", "disable-compression"} {
		fs.BoolVar(&i.on, name, true, same)
		fs.Lookup(name).Hidden = true
	}
	fs.StringVar(&o.isolation, "isolation", "oci", "accepted for compatibility: steps always run as containers")
	fs.StringVar(&i.text, "builder", "", "accepted for compatibility: there is one")
	fs.Lookup("builder").Hidden = true
	fs.StringVar(&i.text, "cgroup-parent", "", "accepted for compatibility: steps are in the user's own group")
}

// transfer completes the options for registries.
func (o *buildOptions) transfer(fs *pflag.FlagSet) error {
	if fs.Changed("tls-verify") {
		o.TLSVerify = &o.tlsVerify
	}
	if o.delay != "" {
		delay, err := time.ParseDuration(o.delay)
		if err != nil || delay < 0 {
			return errdefs.Errorf(errdefs.ErrInvalid, "cannot use --retry-delay %q: write a time such as 500ms or 2s", o.delay)
		}
		o.RetryDelay = delay
	}
	o.Options.Registry = o.Copying
	return nil
}

func (o *buildOptions) names() error {
	for _, tag := range o.tags {
		named, err := image.ParseName(tag)
		if err != nil {
			return err
		}
		o.image.Names = append(o.image.Names, named.String())
	}
	return nil
}

func (o *buildOptions) validate() error {
	switch o.format {
	case "docker", "v2s2":
		o.image.Docker = true
	case "oci", "oci1", "":
	default:
		return errdefs.Errorf(errdefs.ErrInvalid, "cannot use --format %s: it is oci or docker", o.format)
	}
	if !slices.Contains([]string{"oci", "chroot", "rootless", "default", ""}, o.isolation) {
		return errdefs.Errorf(errdefs.ErrInvalid, "cannot use --isolation %s: it is oci, chroot or rootless", o.isolation)
	}
	o.Allow = o.allow
	for _, allowed := range o.allow {
		if allowed != build.AllowInsecure && allowed != build.AllowHostNetwork {
			return errdefs.Errorf(errdefs.ErrInvalid, "cannot use --allow %s: it is %s or %s", allowed, build.AllowInsecure, build.AllowHostNetwork)
		}
	}
	return nil
}

// epoch is the time that nothing may be newer than, or that all has.
func (o *buildOptions) epoch() error {
	if o.sourceEpoch != "" && o.timestamp != "" {
		return errdefs.Errorf(errdefs.ErrInvalid, "cannot use both --source-date-epoch, which older files do not get, and --timestamp, which all get")
	}
	text, name := o.sourceEpoch, "--source-date-epoch"
	if text == "" {
		text, name = o.timestamp, "--timestamp"
	}
	o.EpochForAll = o.timestamp != ""
	if given := o.FrontEnd["build-arg:SOURCE_DATE_EPOCH"]; text == "" && given != "" {
		text, name = given, "--build-arg SOURCE_DATE_EPOCH"
	}
	if text == "" {
		text, name = os.Getenv("SOURCE_DATE_EPOCH"), "SOURCE_DATE_EPOCH"
	}
	if text == "" {
		return nil
	}
	seconds, err := strconv.ParseInt(text, 10, 64)
	if err != nil && name == "--build-arg SOURCE_DATE_EPOCH" {
		return nil // the front end knows other kinds: the name of a context
	}
	if err != nil {
		return errdefs.Errorf(errdefs.ErrInvalid, "cannot use %s=%s: want a number of seconds since 1970", name, text)
	}
	epoch := time.Unix(seconds, 0).UTC()
	o.Epoch = &epoch
	o.FrontEnd["build-arg:SOURCE_DATE_EPOCH"] = text
	return nil
}

// annotations reads --annotation, whose keys may say what they are of: manifest:KEY=VALUE.
func (o *buildOptions) annotations() error {
	for _, a := range o.annotate {
		key, value, ok := strings.Cut(a, "=")
		if kind, rest, typed := strings.Cut(key, ":"); typed && (kind == "manifest" || strings.HasPrefix(kind, "manifest[")) {
			key = rest
		} else if typed && slices.Contains([]string{"index", "manifest-descriptor", "index-descriptor"}, kind) {
			return errdefs.Errorf(errdefs.ErrUnavailable, "cannot use --annotation %s: only manifests are annotated", a)
		}
		if !ok || key == "" {
			return errdefs.Errorf(errdefs.ErrInvalid, "cannot use --annotation %q: write KEY=VALUE", a)
		}
		if o.image.Annotations == nil {
			o.image.Annotations = map[string]string{}
		}
		o.image.Annotations[key] = value
	}
	return nil
}

func (o *buildOptions) mode() string {
	if o.quiet || o.check || o.call != "build" {
		return "quiet"
	}
	return o.progress
}
