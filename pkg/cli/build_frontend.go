//go:build !moss_front

package cli

import (
	"bufio"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/containerd/platforms"
	"github.com/distribution/reference"
	"github.com/opencontainers/go-digest"

	"github.com/mosscontainers/moss/pkg/build"
	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/storage/image"
)

// requests are what the front end is asked by --call, by the names that it has for them.
var requests = map[string]string{
	"check": "frontend.lint", "lint": "frontend.lint", "outline": "frontend.outline", "targets": "frontend.targets",
}

// frontEnd makes options of the front end of the flags: see the reference of frontend/dockerui of BuildKit.
func (o *buildOptions) frontEnd() error {
	o.FrontEnd, o.Locals = map[string]string{}, map[string]string{}
	if err := o.buildArgs(); err != nil {
		return err
	}
	for _, l := range o.image.labels {
		key, value, _ := strings.Cut(l, "=")
		if key == "" {
			return errdefs.Errorf(errdefs.ErrInvalid, "cannot use --label %q: write KEY=VALUE", l)
		}
		o.FrontEnd["label:"+key] = value
	}
	if o.target != "" {
		o.FrontEnd["target"] = o.target
	}
	if len(o.platforms) > 0 {
		list, err := realPlatforms(o.platforms)
		if err != nil {
			return err
		}
		o.FrontEnd["platform"] = strings.Join(list, ",")
	}
	if o.noCache {
		o.FrontEnd["no-cache"] = ""
	} else if len(o.noCacheOf) > 0 {
		o.FrontEnd["no-cache"] = strings.Join(o.noCacheOf, ",")
	}
	if o.check {
		o.call = "check"
	}
	if err := o.readCall(); err != nil {
		return err
	}
	return o.namedContexts()
}

// realPlatforms are the platforms that are named, each once. One is called local, for this machine's.
func realPlatforms(names []string) ([]string, error) {
	var list []string
	for _, name := range names {
		p, err := platforms.Parse(name)
		if name == "local" {
			p, err = build.Here(), nil
		}
		if err != nil {
			return nil, errdefs.Errorf(errdefs.ErrInvalid, "cannot use --platform %q: write OS/ARCH or OS/ARCH/VARIANT, as in linux/arm64", name)
		}
		if real := platforms.FormatAll(platforms.Normalize(p)); !slices.Contains(list, real) {
			list = append(list, real)
		}
	}
	return list, nil
}

// readCall reads --call NAME[,format=text|json][,ignorestatus=true].
func (o *buildOptions) readCall() (err error) {
	name, more, given := strings.Cut(o.call, ",")
	for field := ""; given; {
		field, more, given = strings.Cut(more, ",")
		switch key, value, _ := strings.Cut(field, "="); {
		case field == "format=json" || field == "format=text":
			o.callJSON = value == "json"
		case key == "ignorestatus":
			if o.callAnyway, err = strconv.ParseBool(value); err != nil {
				return errdefs.Errorf(errdefs.ErrInvalid, "cannot use --call %s: write ignorestatus=true or false", o.call)
			}
		default:
			return errdefs.Errorf(errdefs.ErrInvalid, "cannot use --call %s: behind the name may be format=json, format=text and ignorestatus=true", o.call)
		}
	}
	if o.call = name; name == "build" {
		return nil
	}
	if o.FrontEnd["requestid"] = requests[name]; requests[name] == "" {
		return errdefs.Errorf(errdefs.ErrInvalid, "cannot use --call %s: it is build, check, outline or targets", name)
	}
	return nil
}

// buildArgs are values of ARGs. Those for proxies are the caller's unless they are given.
func (o *buildOptions) buildArgs() error {
	if o.httpProxy {
		o.proxies()
	}
	var all []string
	for _, file := range o.argFiles {
		args, err := readArgFile(file)
		if err != nil {
			return err
		}
		all = append(all, args...)
	}
	for _, arg := range append(all, o.args...) {
		name, value, given := strings.Cut(arg, "=")
		if name == "" {
			return errdefs.Errorf(errdefs.ErrInvalid, "cannot use --build-arg %q: write NAME=VALUE", arg)
		}
		if !given {
			if value, given = os.LookupEnv(name); !given {
				continue
			}
		}
		o.FrontEnd["build-arg:"+name] = value
	}
	// The one argument that the front end leaves to whoever calls it.
	inline, err := strconv.ParseBool(o.FrontEnd["build-arg:BUILDKIT_INLINE_CACHE"])
	o.Inline = o.Inline || err == nil && inline
	return nil
}

func (o *buildOptions) proxies() {
	for _, name := range []string{"http_proxy", "https_proxy", "ftp_proxy", "no_proxy", "all_proxy"} {
		for _, name := range []string{name, strings.ToUpper(name)} {
			if value := os.Getenv(name); value != "" {
				o.FrontEnd["build-arg:"+name] = value
			}
		}
	}
}

// readArgFile reads lines NAME=VALUE; empty ones and those that begin with # are left out.
func readArgFile(path string) ([]string, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, errdefs.Errorf(errdefs.ErrInvalid, "cannot use --build-arg-file: %w", err)
	}
	defer f.Close()
	var args []string
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		if line := strings.TrimSpace(lines.Text()); line != "" && !strings.HasPrefix(line, "#") {
			args = append(args, line)
		}
	}
	return args, lines.Err()
}

// namedContexts are those of --build-context.
func (o *buildOptions) namedContexts() error {
	for _, c := range o.contexts {
		name, source, ok := strings.Cut(c, "=")
		named, err := reference.ParseNormalizedNamed(name)
		if !ok || source == "" || err != nil {
			return errdefs.Errorf(errdefs.ErrInvalid, "cannot use --build-context %q: write NAME=DIRECTORY, NAME=docker-image://IMAGE or NAME=URL", c)
		}
		name = strings.TrimSuffix(reference.FamiliarString(named), ":latest")
		if layout, ok := strings.CutPrefix(source, "oci-layout://"); ok {
			if err := o.layoutContext(name, layout); err != nil {
				return err
			}
			continue
		}
		for _, podmans := range []string{"container-image://", "docker://"} {
			if image, ok := strings.CutPrefix(source, podmans); ok {
				source = "docker-image://" + image
			}
		}
		o.FrontEnd["context:"+name] = source
		if strings.Contains(source, "://") || strings.HasPrefix(source, "git@") || strings.HasPrefix(source, "target:") {
			continue
		}
		dir, err := contextDir(source)
		if err != nil {
			return err
		}
		o.FrontEnd["context:"+name] = "local:" + name
		o.Locals[name] = dir
	}
	return nil
}

// layoutContext is an image in a directory: PATH[:TAG] or PATH@DIGEST. The front end is told a name for the path, and the digest.
func (o *buildOptions) layoutContext(name, layout string) error {
	path, pinned, _ := strings.Cut(layout, "@")
	tag := ""
	if i := strings.LastIndex(path, ":"); i > strings.LastIndex(path, "/") {
		path, tag = path[:i], path[i+1:]
	}
	dir, err := contextDir(path)
	if err != nil {
		return err
	}
	d := digest.Digest(pinned)
	if pinned == "" {
		d, err = image.LayoutDigest(dir, tag)
	} else if err = d.Validate(); err != nil {
		err = errdefs.Errorf(errdefs.ErrInvalid, "cannot use --build-context %s=oci-layout://%s: %w", name, layout, err)
	}
	if err != nil {
		return err
	}
	if o.Layouts == nil {
		o.Layouts = map[string]string{}
	}
	id := fmt.Sprintf("layout%d", len(o.Layouts))
	o.Layouts[id] = dir
	o.FrontEnd["context:"+name] = fmt.Sprintf("oci-layout://%s@%s", id, d)
	return nil
}

// secretsAndAgents reads --secret and --ssh.
func (o *buildOptions) secretsAndAgents() error {
	o.Secrets, o.Agents = map[string]build.Secret{}, map[string]build.Agent{}
	for _, text := range o.secrets {
		id, secret, err := parseSecret(text)
		if err != nil {
			return err
		}
		if err := secret.Check(); err != nil {
			return fmt.Errorf("cannot read the secret %q: %w", id, err)
		}
		o.Secrets[id] = secret
	}
	for _, text := range o.agents {
		id, keys, _ := strings.Cut(text, "=")
		agent, err := build.OpenAgent(strings.FieldsFunc(keys, func(r rune) bool { return r == ',' }))
		if err != nil {
			return errdefs.Errorf(errdefs.ErrInvalid, "cannot use --ssh %s: %w", text, err)
		}
		o.Agents[id] = agent
	}
	return nil
}

// parseSecret reads id=NAME[,src=FILE|,env=VARIABLE]; without either it is the variable or the file of that name.
func parseSecret(text string) (id string, s build.Secret, err error) {
	kind := ""
	for field := range strings.SplitSeq(text, ",") {
		key, value, _ := strings.Cut(field, "=")
		switch strings.ToLower(key) {
		case "id":
			id = value
		case "type":
			kind = value
		case "src", "source":
			s.File = value
		case "env":
			s.Env = value
		default:
			return "", s, errdefs.Errorf(errdefs.ErrInvalid, "cannot use --secret %q: there is no key %q; there are id, src, env and type", text, key)
		}
	}
	if id == "" || kind != "" && kind != "file" && kind != "env" {
		return "", s, errdefs.Errorf(errdefs.ErrInvalid, "cannot use --secret %q: write id=NAME,src=FILE or id=NAME,env=VARIABLE", text)
	}
	if kind == "env" && s.Env == "" {
		s.Env, s.File = s.File, ""
	}
	if s.File == "" && s.Env == "" {
		if _, set := os.LookupEnv(id); set && kind != "file" {
			s.Env = id
		} else {
			s.File = id
		}
	}
	return id, s, nil
}
