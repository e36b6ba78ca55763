//go:build !moss_front

package cli

import (
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/containerd/platforms"

	"github.com/mosscontainers/moss/pkg/build"
	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/pkg/term"
	"github.com/mosscontainers/moss/storage/image"
)

// answer prints what the front end says of a Dockerfile. A check that finds something fails.
func (o *buildOptions) answer(app *App, answer map[string][]byte) error {
	text := []byte(term.PrintableLines(string(answer["result.txt"])))
	if o.callJSON {
		text = append(answer["result.json"], '\n')
	}
	if _, err := app.Out.Write(text); err != nil {
		return err
	}
	if status, err := strconv.Atoi(string(answer["result.statuscode"])); err == nil && status != 0 && !o.callAnyway {
		return &errdefs.ExitError{Code: status}
	}
	if requests[o.call] == requests["check"] && !o.callJSON && len(text) == 0 {
		_, err := fmt.Fprintln(app.Out, "Check complete, no warnings found.")
		return err
	}
	return nil
}

// writeMetadata writes --metadata-file: buildx's keys.
func (o *buildOptions) writeMetadata(made *image.Assembled, res *build.Result) error {
	if o.metadata == "" {
		return nil
	}
	fields := map[string]any{"containerimage.digest": made.Manifest.Digest, "containerimage.descriptor": made.Manifest}
	if made.Config != "" { // a list has none
		fields["containerimage.config.digest"] = made.Config
	}
	if names := o.allNames(); len(names) > 0 {
		fields["image.name"] = strings.Join(names, ",")
	}
	for i := range res.Images {
		if key := "buildx.build.provenance"; res.Images[i].Provenance != nil {
			if res.List {
				key += "/" + platforms.Format(res.Images[i].Platform)
			}
			fields[key] = res.Images[i].Provenance
		}
	}
	data, err := json.MarshalIndent(fields, "", "  ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(o.metadata, append(data, '\n'), 0o644); err != nil {
		return errdefs.Errorf(errdefs.ErrInvalid, "cannot write --metadata-file: %w", err)
	}
	return nil
}
