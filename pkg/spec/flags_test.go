package spec_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/pkg/spec"
)

func TestMistakes(t *testing.T) {
	for _, c := range []struct{ args, want string }{
		{"-p 80:abc", `invalid --publish "80:abc": "abc" is not a port number from 1 to 65535`},
		{"-p 80-81:80-82", `the ranges 80-81 and 80-82 differ in length`},
		{"-p 8080:80 -p 8080:81", `cannot publish port 8080/tcp of the host twice, for the ports 80 and 81 of the container`},
		{"-p 8080:80 -p 127.0.0.1:8080:81", `cannot publish port 8080/tcp of the host twice`},
		{"-p 0", `invalid --publish "0": "0" is not a port number`},
		{"-p 70000:80", `"70000" is not a port number`},
		{"-p 1-3:1-2", "the ranges 1-3 and 1-2 differ in length"},
		{"-p 3-1", "the range 3-1 ends before it starts"},
		{"-p 80/sctp", `sctp cannot be published: what forwards ports without root speaks tcp and udp`},
		{"-p ::1:80:80", "write IPv6 addresses in brackets"},
		{"-p host:80:80", `"host" is not an IP address`},
		{"-v :/x", "the source is missing"},
		{"-v /a:b", `the target "b" is not an absolute path`},
		{"-v /a:/", "cannot mount on /"},
		{"-v /a:/b/..", "cannot mount on /"},
		{"-v /a:/b:wrong", `the option "wrong" is not known`},
		{"-v /a:/b:ro:x", "a path with a colon can be given with --mount"},
		{"-v ../..:/b:Q", `the option "Q" is not known`},
		{"-v /usr:/b:U", "would give all of /usr"},
		{"-v /a:/b:O,ro", "O and ro together"},
		{"--sdnotify healthy", "containers are not checked for health yet"},
		{"--sdnotify x", "want container, conmon or ignore"},
		{"--blkio-weight 5", "want a weight from 10 to 1000"},
		{"--device-read-bps /dev/sda", "want DEVICE:SIZE, such as /dev/sda:1m"},
		{"--device-read-iops /dev/sda:x", "want DEVICE:NUMBER, such as /dev/sda:1000"},
		{"--blkio-weight-device sda:10", "want DEVICE:WEIGHT, such as /dev/sda:500"},
		{"--memory-swappiness 101", "want a number from 0 to 100, or -1"},
		{"--memory 1m --memory-reservation 2m", "it is a part of --memory"},
		{"--cgroup-conf ../x=1", "want FILE=VALUE"},
		{"--gpus x", "want all, a number, or device=NAME"},
		{"--gpus 0", "want all, a number, or device=NAME"},
		{"--gpus driver=amd", "want all, a number, or device=NAME"},
		{"--isolation hyperv", "there is one way"},
		{"--volume-driver nfs", "there is only local"},
		{"--cgroups some", "want enabled, disabled, no-conmon or split"},
		{"--userns keep-id", "have no user namespace of their own"},
		{"-v a/b:/c", "a directory starts with / or ./"},
		{"-v /a:/x -v /b:/x", "cannot mount two things on /x"},
		{"--tmpfs /x:size=huge", "is no size"},
		{"--tmpfs /x:exec,noexec", "exec and noexec exclude each other"},
		{"-v a:/x:ro,rw", "ro and rw exclude each other"},
		{"-v a:/x:rw,ro", "rw and ro exclude each other"},
		{"-v a:/x:ro,nosuid,ro", "ro is there twice"},
		{"-v a:/x:z,Z", "z and Z exclude each other"},
		{"-v a:/x:copy,nocopy", "copy and nocopy exclude each other"},
		{"-v /a:/x:shared,rslave", "shared and rslave exclude each other"},
		{"-v /a:/x:bind,rbind", "bind and rbind exclude each other"},
		{"--mount source=a,target=/x,ro=true,rw=true", "ro and rw exclude each other"},
		{"--mount source=a,target=/x,readonly,readonly=false", "readonly is there twice"},
		{"--mount source=a,target=/x,nodev,dev", "nodev and dev exclude each other"},
		{"--mount type=bind,target=/x", "the source is missing"},
		{"--mount type=nfs,target=/x", "the types are bind, volume, tmpfs, image and glob"},
		{"--mount source=a", "the target is missing"},
		{"--mount type=tmpfs,source=a,target=/b", "a tmpfs has no source"},
		{"--mount type=bind,src=/a,dst=/b,colour=red", `"colour" is not known`},
		{"--mount type=bind,src=/a,dst=/b,volume-subpath=c", "only volumes have these"},
		{"--mount src=a,dst=/b,volume-subpath=../c", "want a path within the volume"},
		{"--mount src=a,dst=/b,volume-label==c", "want NAME=VALUE"},
		{"--mount src=a,dst=/b,volume-driver=nfs", "only local"},
		{"--mount src=a,dst=/b,volume-opt=type=nfs", "takes the machine's root"},
		{"--mount type=bind,src=/a,dst=/b,bind-recursive=readonly", "add readonly"},
		{"--mount type=bind,src=/a,dst=/b,bind-recursive=on", "want enabled, disabled, writable or readonly"},
		{"--mount type=bind,src=/a,dst=/b,relabel=on", "want shared or private"},
		{"--mount type=glob,src=/nonexistent/*,dst=/b", "no file of the host matches"},
		{"--mount type=glob,dst=/b", "no file of the host matches"},
		{"--volumes-from :ro", "say which container"},
		{"--volumes-from a:ro,rw", "exclude each other"},
		{"--volumes-from a:ro,ro", "ro is there twice"},
		{"--volumes-from a:maybe", "the options are ro and rw"},
		{`--mount "x`, "quoted as CSV"},
		{"--device fuse", "want absolute paths"},
		{"--device /dev/fuse:/dev/x:rx", `the access "rx" is not made of r, w and m`},
		{"--device gpu=0", "Container Device Interface"},
		{"-u 4294967296", `4294967296 is above the highest id`},
		{"-u -1", "neither a name nor a number"},
		{"-u :", "a name or a number is missing"},
		{"-u :-1", "neither a name nor a number"},
		{"-u a:b:c", "neither a name nor a number"},
		{"-h under/way", "want letters, digits and hyphens"},
		{"-e =x", "want NAME=VALUE"},
		{"--env-file /dev/zero", "the file has more than 1MiB"},
		{"--label-file /dev/zero", "the file has more than 1MiB"},
		{"--env-file /nonexistent", `invalid --env-file "/nonexistent"`},
		{"-w relative", "want an absolute path"},
		{"--entrypoint [1]", "not a JSON list of strings"},
		{"--ulimit nofile", "want NAME=SOFT[:HARD]"},
		{"--ulimit nofile=5:1", "ulimit soft limit must be less than or equal to hard limit"},
		{"--ulimit wrong=5", "invalid ulimit type"},
		{"--ulimit nofile=x", `"x" is no number; a limit is one, or unlimited`},
		{"--sysctl kernel.panic=1", "belongs to the whole machine"},
		{"--sysctl net/../kernel.panic=1", "want NAME=VALUE"},
		{"--cap-add FLY", `"FLY" is not a capability`},
		{"--cap-add all --cap-drop all", "cannot be both given and taken"},
		{"--security-opt systempaths=all", "want systempaths=unconfined"},
		{"--group-add keep-groups --group-add 5", "does not go together with other groups"},
		{"--log-opt max-file=0", "want a number of files from 1 to 100"},
		{"--security-opt magic", "want no-new-privileges"},
		{"--security-opt seccomp=", "want seccomp=unconfined"},
		{"--security-opt no-new-privileges:maybe", "neither true nor false"},
		{"--memory lots", "want a size such as 512m"},
		{"--memory-swap 1g", "it needs --memory too"},
		{"--link a:", "want CONTAINER[:ALIAS]"},
		{"--link a:b;c", "want CONTAINER[:ALIAS]"},
		{"--link a --network host", "cannot link containers with --network host"},
		{"--link-local-ip 192.0.2.1", "no address of 169.254.0.0/16 or fe80::/10"},
		{"--link-local-ip 169.254.1.1 --network a --network b", "cannot use --ip, --ip6, --link-local-ip"},
		{"--hosts-file none --no-hosts", "leave out one of them"},
		{"--memory 2g --memory-swap 1g", "cannot be below --memory"},
		{"--cpus 0.001", "at least 0.01"},
		{"--cpus NaN", "at least 0.01"},
		{"--cpus 1 --cpu-quota 5000", "choose one way"},
		{"--cpu-quota 10", "1000 or more"},
		{"--cpu-period 10", "from 1000 to 1000000"},
		{"--cpu-shares 1", "from 2 to 262144"},
		{"--cpuset-cpus 3-1", "numbers and ranges"},
		{"--cpuset-mems a", "numbers and ranges"},
		{"--pids-limit -2", "-1 for unlimited"},
		{"--oom-score-adj 2000", "from -1000 to 1000"},
		{"--restart sometimes", "want no, on-failure[:N], always or unless-stopped"},
		{"--restart always:3", "only on-failure takes"},
		{"--restart always --rm", "cannot use --rm together with --restart always"},
		{"--stop-signal NOSUCH", "want a signal's name or number"},
		{"--stop-timeout soon", "want a number of seconds"},
		{"--network container:", "say which container"},
		{"--network ns:relative", "say which namespace"},
		{"--network not/a/name", "no name of a network"},
		{"--network none --network host", "does not go together with none"},
		{"--network a --network a", "on that network already"},
		{"--ip fd00::1", "not an IPv4 address"},
		{"--network a:ip=fd00::g", "not an IPv4 address"},
		{"--network a:host_interface_name=tap0", "names that begin with tap are Moss's"},
		{"--network a:color=red", "there is no option"},
		{"--network a --network b --ip 10.89.0.2", "with several networks"},
		{"--network none --ip 10.89.0.2", "cannot choose an address with --network none"},
		{"--mac-address 01:00:00:00:00:00", "not the address of an interface"},
		{"--mac-address 00:00:00:00:00:00", "not the address of an interface"},
		{"--network a --network-alias b..c", "is no name for a host"},
		{"--network a --network-alias ü", "is no name for a host"},
		{"--network a:alias=" + strings.Repeat("x", 64), "is no name for a host"},
		{"-p 80,", `"" is not a port number`},
		{"--dns 192.0.2.1,name", "want an IP address"},
		{"--network a --link b:c/d", "want CONTAINER[:ALIAS]"},
		{"--network host --network-alias db", "cannot use --network-alias with --network host"},
		{"--add-host a:192.0.2.1 --no-hosts", "leave out one of them"},
		{"--dns none --dns 192.0.2.1", "cannot use --dns none together with another"},
		{"--network none -p 80", "cannot publish ports with --network none"},
		{"--network container:x -p 80", "publish them on that container"},
		{"--pid wrong", "want private, host, container:ID"},
		{"--uts host -h x", "cannot use --hostname together with --uts host"},
		{"--dns-option=", `invalid --dns-option ""`},
		{"--dns-search=", `invalid --dns-search ""`},
		{"--dns name", "want an IP address"},
		{"--add-host name", "want NAME:IP"},
		{"--log-driver journald", "want k8s-file or none"},
		{"--log-opt max-size=-1", "want a size such as max-size=10m"},
		{"--label =x", "want NAME=VALUE"},
	} {
		t.Run(c.args, func(t *testing.T) {
			_, err := tryParse(strings.Fields(c.args)...)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("error is %v, want …%s…", err, c.want)
			}
			if !errors.Is(err, errdefs.ErrInvalid) {
				t.Errorf("%v is not an invalid argument", err)
			}
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("%q is more than a line", err)
			}
		})
	}
}

func TestOnesOwnNamesInAnotherContainersNetworkAreRefused(t *testing.T) {
	usual := &spec.Container{Network: spec.Network{Naming: spec.Naming{DNS: []string{"192.0.2.1"}}}}
	for _, flag := range []string{"--dns=192.0.2.1", "--dns-search=example.com", "--dns-option=ndots:2", "--add-host=a:192.0.2.1", "--hosts-file=image"} {
		name, _, _ := strings.Cut(flag, "=")
		err := parse(t, "--network=container:x", flag).Settle(usual)
		if err == nil || !strings.Contains(err.Error(), "cannot use "+name+" with --network container:x") || !errors.Is(err, errdefs.ErrInvalid) {
			t.Errorf("%s: %v", flag, err)
		}
	}
	for _, flag := range []string{"--dns=none", "--no-hosts"} {
		if err := parse(t, "--network=container:x", flag).Settle(usual); err != nil {
			t.Errorf("%s: %v", flag, err)
		}
	}
}

func TestPorts(t *testing.T) {
	for _, c := range []struct {
		flag string
		want []spec.PortMapping
	}{
		{"80", []spec.PortMapping{{ContainerPort: 80, Protocol: "tcp"}}},
		{"0:80", []spec.PortMapping{{ContainerPort: 80, Protocol: "tcp"}}},
		{":80", []spec.PortMapping{{ContainerPort: 80, Protocol: "tcp"}}},
		{"8080:80/udp", []spec.PortMapping{{HostPort: 8080, ContainerPort: 80, Protocol: "udp"}}},
		{"127.0.0.1::80", []spec.PortMapping{{HostIP: "127.0.0.1", ContainerPort: 80, Protocol: "tcp"}}},
		{"[::ffff:127.0.0.1]:81:80", []spec.PortMapping{{HostIP: "127.0.0.1", HostPort: 81, ContainerPort: 80, Protocol: "tcp"}}},
		{"[::1]:8080:80", []spec.PortMapping{{HostIP: "::1", HostPort: 8080, ContainerPort: 80, Protocol: "tcp"}}},
		{"8080-8081:80-81", []spec.PortMapping{{HostPort: 8080, ContainerPort: 80, Protocol: "tcp"}, {HostPort: 8081, ContainerPort: 81, Protocol: "tcp"}}},
		{"8000-8010:80/udp", []spec.PortMapping{{HostPort: 8000, HostEnd: 8010, ContainerPort: 80, Protocol: "udp"}}},
		{"8000-8000:80", []spec.PortMapping{{HostPort: 8000, ContainerPort: 80, Protocol: "tcp"}}},
		{"[::]::80", []spec.PortMapping{{HostIP: "::", ContainerPort: 80, Protocol: "tcp"}}},
		{"65535:65535", []spec.PortMapping{{HostPort: 65535, ContainerPort: 65535, Protocol: "tcp"}}},
	} {
		got, err := spec.ParsePort(c.flag)
		if err != nil {
			t.Errorf("%s: %v", c.flag, err)
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s: %s", c.flag, diff)
		}
	}
}

// Podman takes several values of these flags at once.
func TestListsWithCommas(t *testing.T) {
	c := parse(t, "--dns", "192.0.2.1,192.0.2.2", "--dns-search", "a.example,b.example", "--dns-option", "ndots:2,rotate", "--add-host", "a:192.0.2.1,b;c:192.0.2.2",
		"--network", "a", "--network-alias", "x,y", "-p", "80,8081:81/udp", "--expose", "90,91-92", "sh")
	if err := c.Settle(&spec.Container{}); err != nil {
		t.Fatal(err)
	}
	got := fmt.Sprintln(c.DNS, c.DNSSearch, c.DNSOptions, c.AddHosts, c.Networks[0].Aliases, len(c.Ports), c.Ports[1].Exposed(), c.Expose)
	want := "[192.0.2.1 192.0.2.2] [a.example b.example] [ndots:2 rotate] [a:192.0.2.1 b;c:192.0.2.2] [x y] 2 81/udp [90/tcp 91/tcp 92/tcp]\n"
	if got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestVariables(t *testing.T) {
	t.Setenv("MOSS_TEST_A", "here")
	t.Setenv("MOSS_TEST_B", "")
	file := filepath.Join(t.TempDir(), "env")
	text := "# comment\n\nFROM_FILE=1\r\nBOTH=file\n  INDENTED=a b \"c\"\nMOSS_TEST_A\nABSENT_FROM_HERE\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c := parse(t, "-e", "BOTH=flag", "-e", "MOSS_TEST_*", "-e", "EMPTY=", "--env-file", file)
	c.ApplyImage(&spec.ImageConfig{Env: []string{"PATH=/image", "BOTH=image", "malformed"}})
	want := []string{"PATH=/image", "BOTH=flag", "FROM_FILE=1", `INDENTED=a b "c"`, "MOSS_TEST_A=here", "MOSS_TEST_B=", "EMPTY="}
	if diff := cmp.Diff(want, c.Env); diff != "" {
		t.Error(diff)
	}
}

func TestImageFillsWhatTheUserLeftOpen(t *testing.T) {
	img := &spec.ImageConfig{
		Entrypoint: []string{"/entry"}, Cmd: []string{"default"}, User: "www", WorkingDir: "/srv", StopSignal: "SIGQUIT",
		Labels:  map[string]string{"a": "image", "b": "image"},
		Volumes: map[string]struct{}{"/data": {}, "/mine/": {}}, ExposedPorts: map[string]struct{}{"80/tcp": {}, "53/udp": {}, "9/sctp": {}},
	}
	for _, c := range []struct{ args, want string }{
		{"", "/entry default"},
		{"given", "/entry given"},
		{"--entrypoint /mine", "/mine"},
		{"--entrypoint /mine given", "/mine given"},
		{"--entrypoint= given", "given"},
		{`--entrypoint ["/a","b"] c`, "/a b c"},
	} {
		got := parse(t, strings.Fields(c.args)...)
		got.ApplyImage(img)
		if command := strings.Join(append(got.Entrypoint, got.Command...), " "); command != c.want {
			t.Errorf("%q runs %q, want %q", c.args, command, c.want)
		}
	}
	got := parse(t, "-l", "a=mine", "-v", "/x:/mine", "-P", "-p", "8053:53/udp", "-u", "0")
	got.ApplyImage(img)
	if err := got.Validate(); err != nil {
		t.Fatal(err)
	}
	wantMounts := []spec.Mount{
		{Type: spec.MountBind, Source: "/x", Target: "/mine"},
		{Type: spec.MountVolume, Target: "/data", Anonymous: true, Optional: true},
	}
	wantPorts := []spec.PortMapping{{HostPort: 8053, ContainerPort: 53, Protocol: "udp"}, {ContainerPort: 80, Protocol: "tcp"}}
	for _, diff := range []string{
		cmp.Diff(wantMounts, got.Mounts.List), cmp.Diff(wantPorts, got.Ports),
		cmp.Diff(map[string]string{"a": "mine", "b": "image"}, got.Labels),
		cmp.Diff([]string{"0", "/srv", "SIGQUIT"}, []string{got.User, got.WorkDir, got.StopSignal}),
	} {
		if diff != "" {
			t.Error(diff)
		}
	}
}

func TestHostileImage(t *testing.T) {
	for name, img := range map[string]*spec.ImageConfig{
		"user beyond the highest": {User: "4294967296"},
		"user that is a path":     {User: "../../etc"},
		"volume on the root":      {Volumes: map[string]struct{}{"/a/../..": {}}},
		"stop signal":             {StopSignal: "SIGNONE"},
	} {
		c := parse(t)
		c.ApplyImage(img)
		if err := c.Validate(); !errors.Is(err, errdefs.ErrInvalid) {
			t.Errorf("%s: error is %v", name, err)
		}
	}
	c := parse(t, "sh")
	c.ApplyImage(&spec.ImageConfig{WorkingDir: "../../../etc"})
	if c.WorkDir != "/etc" {
		t.Errorf("working directory is %s", c.WorkDir)
	}
}

func TestLabelFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "labels")
	if err := os.WriteFile(file, []byte("a=file\n# no\nb=file\nc\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c := parse(t, "-l", "a=flag", "--label-file", file)
	if diff := cmp.Diff(map[string]string{"a": "flag", "b": "file", "c": ""}, c.Labels); diff != "" {
		t.Error(diff)
	}
}

func TestEnvironmentOfExec(t *testing.T) {
	got, err := spec.Environment([]string{"A", "B=2"}, nil, []string{"A=1", "C=3"})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"A=1", "B=2"}, got); diff != "" {
		t.Error(diff)
	}
}

func TestSignals(t *testing.T) {
	for name, want := range map[string]int{"TERM": 15, "sigkill": 9, "15": 15, "SIGRTMIN+3": 37, "RTMAX-1": 63, "RTMIN": 34} {
		if got, err := spec.ParseSignal(name); err != nil || int(got) != want {
			t.Errorf("%s is %d (%v), want %d", name, got, err, want)
		}
	}
	for _, name := range []string{"", "0", "-1", "65", "SIGSIGTERM", "RTMIN+99", "RTMINx"} {
		if got, err := spec.ParseSignal(name); err == nil {
			t.Errorf("%q is signal %d", name, got)
		}
	}
}

func TestNetworksOfAContainer(t *testing.T) {
	for args, want := range map[string]string{
		"":                              "bridge podman",
		"--network bridge":              "bridge podman",
		"--network default":             "bridge podman",
		"--network private":             "bridge podman",
		"--network a,b":                 "bridge a b",
		"--network a --net b":           "bridge a b",
		"--network none":                "none",
		"--network ns:/x":               "ns:/x",
		"--network name=a":              "bridge a",
		"--network podman:ip=10.88.0.7": "bridge podman/10.88.0.7",
		"--ip 10.88.0.7":                "bridge podman/10.88.0.7",
		"--network a --ip 10.89.0.7 --network-alias x --network-alias y": "bridge a/10.89.0.7/x/y",
		"--network a:alias=x --network b --net-alias y":                  "bridge a/x/y b/y",
	} {
		c := parse(t, append(strings.Fields(args), "sh")...)
		if err := c.Settle(&spec.Container{}); err != nil {
			t.Errorf("%s: %v", args, err)
		}
		got := c.Network.Mode
		for _, n := range c.Networks {
			got += " " + n.Name
			if n.IP.IsValid() {
				got += "/" + n.IP.String()
			}
			for _, alias := range n.Aliases {
				got += "/" + alias
			}
		}
		if err := c.Validate(); err != nil || got != want {
			t.Errorf("%q: %s, %v", args, got, err)
		}
	}
}

func TestGraphicsProcessorsAreDevicesByName(t *testing.T) {
	for given, want := range map[string]string{
		"all":                                "all",
		"2":                                  "0 1",
		"count=1,driver=nvidia":              "0",
		"device=0":                           "0",
		`"device=0,GPU-2b",capabilities=gpu`: "0 GPU-2b",
		"device=0,1":                         "0 1",
		"capabilities=gpu":                   "all",
	} {
		c, err := tryParse("--gpus", given)
		if err != nil {
			t.Error(err)
			continue
		}
		names := strings.ReplaceAll(strings.Join(c.DeviceNames(), " "), "nvidia.com/gpu=", "")
		if diff := cmp.Diff(want, names); diff != "" {
			t.Errorf("%s (-want +got):\n%s", given, diff)
		}
	}
}
