package rootless

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/moby/sys/user"
)

func TestEachSubordinateIDIsMappedOnce(t *testing.T) {
	own := Range{Inside: 0, Host: 1000, Size: 1}
	for name, test := range map[string]struct {
		subs []user.SubID
		want []Range
	}{
		"none":                {nil, []Range{own}},
		"several":             {[]user.SubID{{SubID: 5000, Count: 10}, {SubID: 3000, Count: 5}}, []Range{own, {1, 5000, 10}, {11, 3000, 5}}},
		"by name and number":  {[]user.SubID{{SubID: 5000, Count: 10}, {SubID: 5000, Count: 10}}, []Range{own, {1, 5000, 10}}},
		"overlapping":         {[]user.SubID{{SubID: 5000, Count: 10}, {SubID: 5005, Count: 10}}, []Range{own, {1, 5000, 10}, {11, 5010, 5}}},
		"around another":      {[]user.SubID{{SubID: 5000, Count: 10}, {SubID: 4990, Count: 30}}, []Range{own, {1, 5000, 10}, {11, 4990, 10}, {21, 5010, 10}}},
		"with the user's own": {[]user.SubID{{SubID: 999, Count: 3}}, []Range{own, {1, 999, 1}, {2, 1001, 1}}},
		"the user's own":      {[]user.SubID{{SubID: 1000, Count: 1}}, []Range{own}},
		"beyond all ids":      {[]user.SubID{{SubID: 4294967290, Count: 100}, {SubID: 1 << 40, Count: 1}}, []Range{own, {1, 4294967290, 5}}},
	} {
		if diff := cmp.Diff(test.want, stack(1000, test.subs)); diff != "" {
			t.Errorf("%s: -want +got\n%s", name, diff)
		}
	}
}
