//go:build !moss_front

package cli

import (
	"cmp"
	"os"
	"runtime"
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
	image  buildImageOptions
	step   stepOptions

	context    string
	files      []string // --file
	file       string   // the first of them
	from       string   // instead of the image of the first FROM
	ignoreFile string
	contexts   []string // --build-context
	target     string
	args       []string
	argFiles   []string
	httpProxy  bool
	platforms  []string
	noCache    bool
	noCacheOf  []string
	cacheTTL   string
	pull       string
	allow      []string
	policyFile string // BuildKit's source policy

	secrets []string
	agents  []string

	sourceEpoch string
	timestamp   string

	progress   string
	logfile    string
	call       string
	callJSON   bool
	callAnyway bool // what is found is no failure
	check      bool
	iidfile    string
	iidRaw     string
	metadata   string
	ignored    ignoredBuildFlags
}

// ignoredBuildFlags are accepted because scripts have them: what they ask for is so anyway, or has nothing to ask it of.
type ignoredBuildFlags struct {
	on   bool
	text string
}

func (o *buildOptions) addFlags(fs *pflag.FlagSet) {
	o.addInputFlags(fs)
	o.addCacheFlags(fs)
	o.addOutcomeFlags(fs)
	o.image.addFlags(fs)
	o.output.addFlags(fs)
	o.cache.addFlags(fs)
	o.attest.addFlags(fs)
	o.addRegistryFlags(fs)
	fs.StringVar(&o.Creds, "creds", "", "credentials for registries, USER:PASSWORD")
	fs.StringArrayVar(&o.DecryptionKeys, "decryption-key", nil, "key for encrypted layers of images to pull, FILE[:PASSWORD]")
	fs.UintVar(&o.Retries, "retry", pullRetries, "how often to try again what failed for a passing reason")
	fs.StringVar(&o.delay, "retry-delay", "", "wait before the first repetition, as in 2s; it doubles each time")
	o.step.addFlags(fs, &o.Step)
	o.addIgnoredFlags(fs)
	addRefusedFlags(fs, refusedBuildFlags())
}

// addInputFlags declares what is built, of what.
func (o *buildOptions) addInputFlags(fs *pflag.FlagSet) {
	fs.StringArrayVarP(&o.files, "file", "f", nil, "the Dockerfile: a `file`, an URL, or - for the standard input; several are read as one (default Containerfile or Dockerfile in the context)")
	fs.StringVar(&o.from, "from", "", "begin with this `image` instead of the one that the first FROM names")
	fs.StringVar(&o.ignoreFile, "ignorefile", "", "use this file instead of the context's .containerignore or .dockerignore")
	fs.StringArrayVar(&o.contexts, "build-context", nil, "another context, `NAME=SOURCE`: a directory, docker-image://NAME, an URL")
	fs.StringVar(&o.target, "target", "", "build this stage")
	fs.StringArrayVar(&o.args, "build-arg", nil, "value of an ARG: `NAME=VALUE`, or NAME to take it from here")
	fs.StringArrayVar(&o.argFiles, "build-arg-file", nil, "read values of ARGs from a `file`")
	fs.BoolVar(&o.httpProxy, "http-proxy", true, "give steps the variables about proxies that are set here")
	fs.StringSliceVar(&o.platforms, "platform", nil, "`platform` to build for, OS/ARCH[/VARIANT]; several make a manifest list")
	fs.StringVar(&o.pull, "pull", "missing", "when to pull images: always, missing, never, newer")
	fs.Lookup("pull").NoOptDefVal = "always"
	for _, policy := range []string{"always", "never"} { // Buildah's old names
		fs.BoolFunc("pull-"+policy, "the same as --pull="+policy, func(string) error { return fs.Set("pull", policy) })
		fs.Lookup("pull-" + policy).Hidden = true
	}
	fs.StringVar(&o.policyFile, "source-policy-file", "", "allow, deny or convert what the Dockerfile names as this `file` says: BuildKit's JSON (default EXPERIMENTAL_BUILDKIT_SOURCE_POLICY)")
	fs.StringSliceVar(&o.allow, "allow", nil, "what the Dockerfile may ask for: security.insecure, network.host, device[=NAME]")
	fs.StringArrayVar(&o.secrets, "secret", nil, "a `secret`: id=NAME[,src=FILE|,env=VARIABLE]")
	fs.StringArrayVar(&o.agents, "ssh", nil, "an SSH `agent`: default, or NAME[=SOCKET|=KEY,...]")
	fs.IntVar(&o.Jobs, "jobs", runtime.NumCPU(), "how many steps to work on at a time; 0 is no limit")
}

// addCacheFlags declares what is remembered of other builds.
func (o *buildOptions) addCacheFlags(fs *pflag.FlagSet) {
	fs.BoolVar(&o.noCache, "no-cache", false, "do all steps anew")
	fs.StringSliceVar(&o.noCacheOf, "no-cache-filter", nil, "do the steps of this `stage` anew")
	fs.StringVar(&o.cacheTTL, "cache-ttl", "", "do what was done longer ago than this `time` anew, such as 24h")
}

// addOutcomeFlags declares what becomes of it.
func (o *buildOptions) addOutcomeFlags(fs *pflag.FlagSet) {
	fs.StringVar(&o.sourceEpoch, "source-date-epoch", "", "seconds since 1970: nothing in the image is newer (default SOURCE_DATE_EPOCH)")
	fs.StringVar(&o.timestamp, "timestamp", "", "seconds since 1970: the time of everything that the build adds")
	fs.StringVar(&o.progress, "progress", cmp.Or(os.Getenv("BUILDKIT_PROGRESS"), "auto"), "how to show progress: auto, plain, tty, rawjson, quiet, none")
	fs.BoolVarP(&o.quiet, "quiet", "q", false, "print only the image's id")
	fs.StringVar(&o.iidfile, "iidfile", "", "write the image's id to this file")
	fs.StringVar(&o.iidRaw, "iidfile-raw", "", "write the image's id to this file, without sha256: before it")
	fs.StringVar(&o.logfile, "logfile", "", "write the progress to this `file`")
	fs.StringVar(&o.metadata, "metadata-file", "", "write what was built to this file, as JSON")
	fs.StringVar(&o.call, "call", "build", "what to do: build, check, outline or targets")
	fs.StringVar(&o.call, "print", "build", "alias of --call")
	fs.Lookup("print").Hidden = true
	fs.BoolVar(&o.check, "check", false, "only check the Dockerfile: --call check")
}

func (o *buildOptions) addIgnoredFlags(fs *pflag.FlagSet) {
	const same = "accepted for compatibility: it is so anyway"
	i := &o.ignored
	for _, name := range []string{"rm", "force-rm", "compress", "skip-unused-stages", "rewrite-timestamp", "disable-content-trust"} {
		fs.BoolVar(&i.on, name, true, same)
	}
	fs.BoolVarP(&i.on, "disable-compression", "D", true, "accepted for compatibility: layers of the store are not compressed")
	fs.BoolVar(&i.on, "debug", false, "accepted for compatibility: say more with --log-level debug")
	fs.StringVar(&i.text, "builder", "", "accepted for compatibility: there is one")
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
	for _, tag := range o.image.tags {
		named, err := image.ParseName(tag)
		if err != nil {
			return err
		}
		o.image.Names = append(o.image.Names, named.String())
	}
	return nil
}

func (o *buildOptions) validate() error {
	if o.Allow = o.allow; len(o.files) > 0 {
		o.file = o.files[0]
	}
	for _, allowed := range o.allow {
		if word, _, _ := strings.Cut(allowed, "="); word != build.AllowDevice && allowed != build.AllowInsecure && allowed != build.AllowHostNetwork {
			return errdefs.Errorf(errdefs.ErrInvalid, "cannot use --allow %s: it is %s, %s, or %s[=NAME]", allowed, build.AllowInsecure, build.AllowHostNetwork, build.AllowDevice)
		}
	}
	if file := cmp.Or(o.policyFile, os.Getenv("EXPERIMENTAL_BUILDKIT_SOURCE_POLICY")); file != "" {
		policy, err := os.ReadFile(file)
		if err != nil {
			return errdefs.Errorf(errdefs.ErrInvalid, "cannot use --source-policy-file: %w", err)
		}
		o.SourcePolicy = policy
	}
	if o.Jobs < 0 {
		return errdefs.Errorf(errdefs.ErrInvalid, "cannot use --jobs %d: it is a number of steps, and 0 is no limit", o.Jobs)
	}
	if o.cacheTTL != "" {
		ttl, err := time.ParseDuration(o.cacheTTL)
		if err != nil || ttl < 0 {
			return errdefs.Errorf(errdefs.ErrInvalid, "cannot use --cache-ttl %q: write a time such as 90m or 24h", o.cacheTTL)
		}
		o.CacheTTL = &ttl
	}
	if !o.image.layers {
		o.noCache = true
	}
	return nil
}

// choosePlatform puts --os, --arch and --variant together.
func (o *buildOptions) choosePlatform() error {
	one := o.image.platform(runtime.GOOS, runtime.GOARCH)
	if one == "" {
		return nil
	}
	if len(o.platforms) > 0 {
		return errdefs.Errorf(errdefs.ErrInvalid, "cannot use --platform together with --os, --arch or --variant: choose one way")
	}
	o.platforms = []string{one}
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
	const last = 253402300799 // of the year 9999, which is the last one that images can tell
	if err != nil || seconds > last || seconds < -last {
		return errdefs.Errorf(errdefs.ErrInvalid, "cannot use %s=%s: want a number of seconds since 1970", name, text)
	}
	epoch := time.Unix(seconds, 0).UTC()
	o.Epoch = &epoch
	o.FrontEnd["build-arg:SOURCE_DATE_EPOCH"] = text
	return nil
}

func (o *buildOptions) mode() string {
	if o.quiet || o.check || o.call != "build" || o.progress == "none" {
		return "quiet"
	}
	return o.progress
}
