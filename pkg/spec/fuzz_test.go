package spec

import (
	"path"
	"strings"
	"testing"
)

// Whatever a flag is given, its parser ends with a checked value or with one line of error.
func fuzz[T any](f *testing.F, parse func(string) (T, error), check func(*testing.T, T), seeds ...string) {
	for _, seed := range seeds {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, err := parse(s)
		if err == nil {
			check(t, got)
		} else if strings.Contains(err.Error(), "\n") {
			t.Errorf("%q is more than a line", err)
		}
	})
}

func checkMount(t *testing.T, m Mount) {
	if err := m.validate(); err != nil {
		t.Errorf("%+v was accepted: %v", m, err)
	}
	if m.Type == MountBind && path.Clean(m.Source) != m.Source {
		t.Errorf("source %q is not clean", m.Source)
	}
}

func FuzzVolume(f *testing.F) {
	fuzz(f, func(s string) (Mount, error) { return parseVolume(s, "/work") }, checkMount,
		"/a:/b", "a:/b:ro", "/b", "./x:/y:rslave,z", ":/x", "/a:/..", "a:b:c:d", "..:/x")
}

func FuzzMount(f *testing.F) {
	fuzz(f, func(s string) ([]Mount, error) { return parseMount(s, "/work") }, func(t *testing.T, all []Mount) {
		for _, m := range all {
			checkMount(t, m)
		}
	},
		"type=bind,src=/a,dst=/b", "type=tmpfs,target=/t,tmpfs-size=1m,tmpfs-mode=1777", "type=volume,target=/v,ro", `"a,b"`, "=", ",,", "type=bind,source=,target=/x\ny")
}

func FuzzTmpfs(f *testing.F) {
	fuzz(f, parseTmpfs, checkMount, "/t", "/t:size=1m,mode=700", "/t:size=", "t", "/t:size=50%")
}

func FuzzPort(f *testing.F) {
	fuzz(f, ParsePort, func(t *testing.T, ports []PortMapping) {
		if len(ports) == 0 {
			t.Error("no port")
		}
		for _, p := range ports {
			if err := p.validate(); err != nil {
				t.Errorf("%+v was accepted: %v", p, err)
			}
		}
	}, "80", "8080:80", "127.0.0.1::80/udp", "[::1]:1-2:3-4", "-", ":", "1-65535", "[::1%lo]:1:1")
}

func FuzzExpose(f *testing.F) {
	fuzz(f, ParseExposed, func(t *testing.T, all []string) {
		for _, one := range all {
			if _, err := ParsePort(one); err != nil {
				t.Error(err)
			}
		}
	}, "80", "80-82/udp", "/tcp", "")
}

func FuzzEnvFile(f *testing.F) {
	fuzz(f, func(s string) ([]string, error) { return parseEnvFile("file", s, []string{"HOME=/"}) }, func(t *testing.T, env []string) {
		for _, kv := range env {
			if strings.IndexByte(kv, '=') < 1 || strings.ContainsAny(kv, "\x00\n") {
				t.Errorf("%q was accepted", kv)
			}
		}
	}, "A=1\nB", "# c\n\n", "=x", "\ufeffA=1\r\n", "A B=1", "HOME\nH*")
}

func FuzzUlimit(f *testing.F) {
	fuzz(f, func(s string) (Process, error) {
		var p Process
		err := p.setUlimit(s)
		return p, err
	}, func(t *testing.T, p Process) {
		if err := p.Validate(); err != nil {
			t.Error(err)
		}
	}, "nofile=1:2", "core=-1", "core=unlimited", "nproc=5:unlimited", "=", "nofile=-2")
}

func FuzzDevice(f *testing.F) {
	fuzz(f, parseDevice, func(t *testing.T, d Device) {
		if err := d.validate(); err != nil {
			t.Error(err)
		}
	}, "/dev/fuse", "/dev/a:/dev/b:rw", "/dev/a:r", ":", "/dev/a:/:m")
}

func FuzzUser(f *testing.F) {
	fuzz(f, func(s string) (string, error) { return s, CheckUser("user", s) }, func(t *testing.T, s string) {
		if strings.ContainsAny(s, "/\x00\n ") || s == "" {
			t.Errorf("%q was accepted", s)
		}
	}, "root", "0:0", "4294967296", "a:b:c", "-1", "+0")
}

func FuzzNetwork(f *testing.F) {
	parse := func(s string) (*Network, error) {
		n := &Network{}
		return n, n.join(s)
	}
	fuzz(f, parse, func(t *testing.T, n *Network) {
		if err := n.Validate(); err != nil {
			t.Errorf("%+v was accepted: %v", n, err)
		}
	}, "none", "bridge:ip=10.0.0.2", "a,b", "name=a,alias=x,ip6=fd00::1,gw-priority=-3", "a:mac=02:00:00:00:00:01,interface_name=in0", "ns:/x", "container:", "slirp4netns:mtu=1500", "default", ":", "a:,", "name=,")
}
