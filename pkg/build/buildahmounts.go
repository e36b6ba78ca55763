package build

import (
	"bytes"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/parser"
)

// buildahMounts is a Dockerfile whose mounts have no words that only Buildah knows, as far as they mean nothing here or have another name: the
// labels of SELinux, which steps run without, and tmpfs-size. What the front end does not know of the rest it says. The lines keep their numbers.
func buildahMounts(dockerfile []byte) []byte {
	if !bytes.Contains(dockerfile, []byte("--mount=")) {
		return dockerfile
	}
	parsed, err := parser.Parse(bytes.NewReader(dockerfile))
	if err != nil {
		return dockerfile // the front end says it better
	}
	lines := strings.SplitAfter(string(dockerfile), "\n")
	for _, node := range parsed.AST.Children {
		for _, flag := range mountFlags(node) {
			if plain := plainMount(flag); plain != flag {
				replaceFlag(lines[node.StartLine-1:min(node.EndLine, len(lines))], flag, plain)
			}
		}
	}
	return []byte(strings.Join(lines, ""))
}

// replaceFlag replaces the first of a command's flags that reads so: what is run, which comes after them, may have the same words.
func replaceFlag(lines []string, flag, plain string) {
	for i, line := range lines {
		if strings.Contains(line, flag) && !strings.HasPrefix(strings.TrimSpace(line), "#") {
			lines[i] = strings.Replace(line, flag, plain, 1)
			return
		}
	}
}

// mountFlags are those of a RUN, be it one for later.
func mountFlags(node *parser.Node) (flags []string) {
	if strings.EqualFold(node.Value, "onbuild") && node.Next != nil && len(node.Next.Children) > 0 {
		node = node.Next.Children[0]
	}
	if !strings.EqualFold(node.Value, "run") {
		return nil
	}
	for _, flag := range node.Flags {
		if strings.HasPrefix(flag, "--mount=") && !strings.Contains(flag, `"`) {
			flags = append(flags, flag)
		}
	}
	return flags
}

func plainMount(flag string) string {
	var plain []string
	for _, field := range strings.Split(strings.TrimPrefix(flag, "--mount="), ",") {
		switch key, value, _ := strings.Cut(field, "="); key {
		case "z", "Z", "relabel":
		case "tmpfs-size":
			plain = append(plain, "size="+value)
		default:
			plain = append(plain, field)
		}
	}
	return "--mount=" + strings.Join(plain, ",")
}
