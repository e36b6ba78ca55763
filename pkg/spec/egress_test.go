package spec_test

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/mosscontainers/moss/pkg/spec"
)

func TestEgressRules(t *testing.T) {
	prefix := netip.MustParsePrefix
	for text, want := range map[string]spec.EgressRule{
		"none":                {},
		"NONE":                {},
		"none.:443":           {Name: "none", First: 443, Last: 443},
		"10.1.2.3":            {Prefix: prefix("10.1.2.3/32")},
		"10.1.2.3/8:80":       {Prefix: prefix("10.0.0.0/8"), First: 80, Last: 80},
		"0.0.0.0/0":           {Prefix: prefix("0.0.0.0/0")},
		"10.1.2.3:1-65535":    {Prefix: prefix("10.1.2.3/32"), First: 1, Last: 65535},
		"[fd00::1]":           {Prefix: prefix("fd00::1/128")},
		"[fd00::/8]:443":      {Prefix: prefix("fd00::/8"), First: 443, Last: 443},
		"Example.COM.:53":     {Name: "example.com", First: 53, Last: 53},
		"*.example.com":       {Name: "*.example.com"},
		"db":                  {Name: "db"},
		"_x._tcp.example.com": {Name: "_x._tcp.example.com"},
	} {
		got, err := spec.ParseEgress(text)
		if err != nil || got != want {
			t.Errorf("%s is %+v, %v", text, got, err)
		}
	}
	for _, text := range []string{
		"", ":80", "*", "*.", "a..b", "-a", "a.*.b", "1.2.3", "300.1.1.1", "10.0.0.0/33", "::1", "fd00::/8", "[10.0.0.1]", "[::1", "[::1]80", "[::1%lo]",
		"[::ffff:10.0.0.1]", "::ffff:10.0.0.1", "a:0", "a:", "a:b", "a:1-", "a:2-1", "a:65536", "a:+1", "a b", "a/b", "none:80", "None:1-2", strings.Repeat("a", 64), strings.Repeat("a.", 127) + "a",
	} {
		if got, err := spec.ParseEgress(text); err == nil {
			t.Errorf("%q is %+v", text, got)
		}
	}
	if _, err := spec.ParseEgressList([]string{"none", "db"}); err == nil {
		t.Error("nobody and somebody is a list")
	}
}

func FuzzEgress(f *testing.F) {
	for _, s := range []string{"none", "10.0.0.0/8:1-2", "[fd00::/8]:443", "*.example.com:53"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		r, err := spec.ParseEgress(s)
		if err == nil && r != (spec.EgressRule{}) && r.Prefix.IsValid() == (r.Name != "") {
			t.Errorf("%q is %+v", s, r)
		}
	})
}
