package build

import (
	"fmt"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

func TestACacheThatMakesNoSenseHasNoSteps(t *testing.T) {
	good := strings.Repeat("a", 64)
	image := &v1.Image{RootFS: v1.RootFS{DiffIDs: []digest.Digest{"sha256:x", "sha256:y"}}}
	for _, step := range []string{
		`{"keys":["%s"],"layers":[{"index":2}]}`,
		`{"keys":["%s"],"layers":[{"index":-1}]}`,
		`{"keys":["%s"],"layers":[]}`,
		`{"keys":["%s"],"layers":[{"index":0}],"parent":2}`,
		`{"keys":["%s"],"layers":[{"index":0}],"parent":-1}`,
		`{"keys":["%s"],"layers":[{"index":0},{"index":0},{"index":0}]}`,
		`{"keys":["../../%s"],"layers":[{"index":0}]}`,
		`{"keys":["%sff"],"layers":[{"index":0}]}`,
	} {
		config := fmt.Sprintf(`{"moss.buildcache.v0":{"steps":[`+step+`]}}`, good)
		if steps, err := readCache([]byte(config), image); err != nil || len(steps) != 0 {
			t.Errorf("%s: %v, %v", config, steps, err)
		}
	}
	config := fmt.Sprintf(`{"moss.buildcache.v0":{"steps":[{"keys":["%s"],"layers":[{"index":1}],"parent":0}]}}`, good)
	if steps, err := readCache([]byte(config), image); err != nil || len(steps) != 1 {
		t.Errorf("a step that makes sense: %v, %v", steps, err)
	}
	if steps, err := readCache([]byte(`{}`), image); err != nil || len(steps) != 0 {
		t.Errorf("an image without a cache: %v, %v", steps, err)
	}
}
