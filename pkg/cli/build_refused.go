//go:build !moss_front

package cli

import (
	"github.com/spf13/pflag"

	"github.com/mosscontainers/moss/pkg/errdefs"
)

// refusedFlag is a flag of a peer's build that Moss does not carry out. It is declared so that whoever gives it is told why, and what to do
// instead.
type refusedFlag struct {
	name   string
	toggle bool // takes no value; false asks for nothing
	why    string
}

func refusedBuildFlags() []refusedFlag {
	const (
		ids     = "steps have the ids of their user's containers, which /etc/subuid and /etc/subgid give"
		scanner = "it is about a scanner that would be fetched and run, which moss never does; --sbom=true lists what is in the image"
	)
	return []refusedFlag{
		{"all-platforms", true, "name the platforms with --platform"},
		{"compat-volumes", true, "what RUN writes to a VOLUME is kept, as BuildKit keeps it"},
		{"cpp-flag", false, "run cpp on the Dockerfile and pipe it to --file -"},
		{"cw", false, "images for confidential machines are not made"},
		{"hooks-dir", false, "steps are started without hooks"},
		{"logsplit", true, "each line of the --logfile names its platform"},
		{"policy", false, "policies of buildx are not evaluated; pin what is used by digest and --checksum"},
		{"runtime-flag", false, "steps are started by moss itself, not by an OCI runtime"},
		{"save-stages", true, "build each stage that is wanted with --target STAGE --tag NAME"},
		{"sbom-image-output", false, "it would be one layer more; write the list to a file with --sbom-output"},
		{"sbom-image-purl-output", false, "it would be one layer more; write the list to a file with --sbom-purl-output"},
		{"sbom-merge-strategy", false, scanner},
		{"sbom-scanner-command", false, scanner},
		{"sbom-scanner-image", false, scanner},
		{"sign-by", false, "push the image with moss push --sign-by, which signs it where it goes"},
		{"stage-labels", true, "build each stage that is wanted with --target STAGE --label KEY=VALUE"},
		{"userns-gid-map", false, ids},
		{"userns-gid-map-group", false, ids},
		{"userns-uid-map", false, ids},
		{"userns-uid-map-user", false, ids},
	}
}

func addRefusedFlags(fs *pflag.FlagSet, refused []refusedFlag) {
	for _, f := range refused {
		if f.toggle {
			fs.Bool(f.name, false, "refused: "+f.why)
		} else {
			fs.StringArray(f.name, nil, "refused: "+f.why)
		}
	}
}

// refuse says of the first such flag that was given why it is not carried out.
func refuse(fs *pflag.FlagSet, refused []refusedFlag) error {
	for _, f := range refused {
		given := fs.Lookup(f.name)
		if given.Changed && given.Value.String() != "false" {
			return errdefs.Errorf(errdefs.ErrUnavailable, "cannot use --%s: %s", f.name, f.why)
		}
	}
	return nil
}
