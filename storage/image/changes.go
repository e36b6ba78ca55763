package image

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/parser"

	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/pkg/spec"
)

// Apply changes a configuration by instructions of a Dockerfile, as import and commit take them with
// --change: CMD, ENTRYPOINT, ENV, EXPOSE, HEALTHCHECK, LABEL, ONBUILD, STOPSIGNAL, USER, VOLUME, WORKDIR. Both
// "CMD args" and "CMD=args" will do.
func Apply(c *spec.ImageConfig, changes []string) error {
	for _, change := range changes {
		if err := apply(c, strings.TrimSpace(change)); err != nil {
			return errdefs.Errorf(errdefs.ErrInvalid, "cannot apply the change %q: %w", change, err)
		}
	}
	return nil
}

func apply(c *spec.ImageConfig, change string) error {
	at := strings.IndexAny(change, " \t=")
	if at < 0 {
		return fmt.Errorf("it has no value")
	}
	name, value := strings.ToUpper(change[:at]), strings.TrimSpace(change[at+1:])
	switch name {
	case "CMD":
		c.Cmd = command(value)
	case "ENTRYPOINT":
		c.Entrypoint = command(value)
	case "ENV":
		return eachPair(value, func(k, v string) { setEnv(c, k, v) })
	case "LABEL":
		return eachPair(value, func(k, v string) { put(&c.Labels, k, v) })
	case "EXPOSE":
		for _, port := range strings.Fields(value) {
			exposed, err := spec.ParseExposed(port)
			if err != nil {
				return err
			}
			for _, one := range exposed {
				put(&c.ExposedPorts, one, struct{}{})
			}
		}
	case "VOLUME":
		for _, path := range list(value) {
			put(&c.Volumes, path, struct{}{})
		}
	case "HEALTHCHECK":
		return setHealthcheck(c, value)
	case "ONBUILD":
		c.OnBuild = append(c.OnBuild, value)
	case "STOPSIGNAL":
		if _, err := spec.ParseSignal(value); err != nil {
			return fmt.Errorf("%q is not a signal", value)
		}
		c.StopSignal = value
	case "USER":
		c.User = value
	case "WORKDIR":
		c.WorkingDir = value
	default:
		return fmt.Errorf("%s is not one of CMD, ENTRYPOINT, ENV, EXPOSE, HEALTHCHECK, LABEL, ONBUILD, STOPSIGNAL, USER, VOLUME, WORKDIR", name)
	}
	return nil
}

// setHealthcheck reads NONE, or CMD and its options before it, by BuildKit's parser.
func setHealthcheck(c *spec.ImageConfig, value string) error {
	parsed, err := parser.Parse(strings.NewReader("HEALTHCHECK " + value))
	if err != nil {
		return err
	}
	read, err := instructions.ParseInstruction(parsed.AST.Children[0])
	if err != nil {
		return err
	}
	check, ok := read.(*instructions.HealthCheckCommand)
	if !ok || len(parsed.AST.Children) != 1 {
		return errors.New("it is more than one instruction")
	}
	h := check.Health
	c.Healthcheck = &spec.Healthcheck{
		Test: h.Test, Interval: h.Interval, Timeout: h.Timeout, StartPeriod: h.StartPeriod, StartInterval: h.StartInterval, Retries: h.Retries,
	}
	return nil
}

// command is the JSON form, or a line for the shell.
func command(value string) []string {
	var words []string
	if json.Unmarshal([]byte(value), &words) == nil {
		return words
	}
	return []string{"/bin/sh", "-c", value}
}

func list(value string) []string {
	var words []string
	if json.Unmarshal([]byte(value), &words) == nil {
		return words
	}
	return strings.Fields(value)
}

// eachPair reads KEY=VALUE pairs, values in quotes where they have spaces, or the old "KEY VALUE".
func eachPair(value string, set func(k, v string)) error {
	key, rest, ok := strings.Cut(value, "=")
	if old, oldRest, space := strings.Cut(value, " "); space && (!ok || len(old) < len(key)) {
		set(old, unquote(strings.TrimSpace(oldRest)))
		return nil
	}
	if !ok || key == "" {
		return fmt.Errorf("write it as KEY=VALUE")
	}
	word, rest := firstWord(rest)
	set(key, unquote(word))
	if rest == "" {
		return nil
	}
	return eachPair(rest, set)
}

// firstWord ends at the first space outside of quotes.
func firstWord(s string) (word, rest string) {
	var quote byte
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\\':
			i++
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '"' || c == '\'':
			quote = c
		case c == ' ' || c == '\t':
			return s[:i], strings.TrimSpace(s[i:])
		}
	}
	return s, ""
}

func unquote(s string) string {
	if len(s) >= 2 && (s[0] == '"' || s[0] == '\'') && s[len(s)-1] == s[0] {
		s = s[1 : len(s)-1]
	}
	return strings.NewReplacer(`\ `, " ", `\"`, `"`, `\\`, `\`).Replace(s)
}

func setEnv(c *spec.ImageConfig, key, value string) {
	c.Env = slices.DeleteFunc(c.Env, func(e string) bool { return strings.HasPrefix(e, key+"=") })
	c.Env = append(c.Env, key+"="+value)
}

func put[V any](m *map[string]V, key string, value V) {
	if *m == nil {
		*m = map[string]V{}
	}
	(*m)[key] = value
}
