package storage

import "testing"

func TestPlatformMatches(t *testing.T) {
	tests := []struct {
		name       string
		have, want Platform
		matches    bool
	}{
		{"empty fields match any", Platform{"linux", "arm", "v7"}, Platform{OS: "linux"}, true},
		{"another architecture", Platform{"linux", "arm64", ""}, Platform{"linux", "amd64", ""}, false},
		{"another variant", Platform{"linux", "arm", "v7"}, Platform{"linux", "arm", "v6"}, false},
		{"arm64 that says what all are", Platform{"linux", "arm64", "v8"}, Platform{"linux", "arm64", ""}, true},
		{"arm64 that does not", Platform{"linux", "arm64", ""}, Platform{"linux", "arm64", "v8"}, true},
		{"newer arm64", Platform{"linux", "arm64", ""}, Platform{"linux", "arm64", "v9"}, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := test.have.Matches(test.want); got != test.matches {
				t.Errorf("%s for %s: %v", test.have, test.want, got)
			}
		})
	}
}
