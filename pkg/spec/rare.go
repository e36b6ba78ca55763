package spec

import (
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/pflag"
)

// AddRareFlags declares those that few command lines have, after AddFlags. To declare a flag takes time, and most commands are shorter than the blink
// that all of them take.
func (c *Container) AddRareFlags(fs *pflag.FlagSet) {
	c.Service.AddFlags(fs)
	c.Resources.addRareFlags(fs)
	addFlag(fs, "domainname", "", "string", "", "the container's NIS domain `name`", c.setDomainname)
	addFlag(fs, "gpus", "", "list", "", "graphics processors: all, a number, or device=NAME, which are the devices nvidia.com/gpu=NAME", func(s string) error {
		devices, err := parseGPUs(s)
		c.Devices = append(c.Devices, devices...)
		return err
	})
	addCommaList(fs, &c.UnsetEnv, "unsetenv", "leave out this `variable` of the image", verbatim)
	fs.BoolVar(&c.UnsetEnvAll, "unsetenv-all", false, "leave out all variables of the image")
	c.addHealthFlags(fs)
	addChoice(fs, "isolation", "how containers are isolated: `default`", "there is one way, which is the default", "", "default")
	addChoice(fs, "volume-driver", "driver of the volumes that are made: `local`", "there is only local", "", "local")
	addChoice(fs, "systemd", "what containers with systemd need is not set up: true and `false` are the same", "nothing is set up for systemd in a container", "true", "false")
	fs.Bool("disable-content-trust", true, "of no meaning: there is no content trust")
	_ = fs.MarkHidden("disable-content-trust") // declared on the line above
}

// addChoice declares a flag of peers whose few values that Moss takes all mean the same.
func addChoice(fs *pflag.FlagSet, name, help, otherwise string, values ...string) {
	addFlag(fs, name, "", "string", "", help, func(s string) error {
		if slices.Contains(values, s) {
			return nil
		}
		return invalid(name, s, "%s", otherwise)
	})
}

// addHealthFlags declares the flags of checks for health, which there are not yet: HealthFlags tells which were given.
func (c *Container) addHealthFlags(fs *pflag.FlagSet) {
	for _, f := range []struct{ name, kind string }{
		{"health-cmd", "command"},
		{"health-interval", "duration"},
		{"health-retries", "int"},
		{"health-start-interval", "duration"},
		{"health-start-period", "duration"},
		{"health-timeout", "duration"},
		{"health-on-failure", "string"},
	} {
		addFlag(fs, f.name, "", f.kind, "", "taken, but containers are not checked for health yet", func(s string) error {
			if s != "" && !slices.Contains(c.HealthFlags, "--"+f.name) && !(f.name == "health-cmd" && s == "none") {
				c.HealthFlags = append(c.HealthFlags, "--"+f.name)
			}
			return nil
		})
	}
	fs.Bool("no-healthcheck", false, "do not check the container for health, which is so anyway")
}

func (i *Identity) setDomainname(s string) error {
	if strings.ContainsAny(s, "\x00\n") || len(s) > maxHostname {
		return invalid("domainname", s, "want at most %d bytes", maxHostname)
	}
	i.Domainname = s
	return nil
}

func (r *Resources) addRareFlags(fs *pflag.FlagSet) {
	r.addBlockFlags(fs)
	addBytes(fs, &r.MemoryReservation, "memory-reservation", "", "", "`memory` to leave to the container where there is little")
	addFlag(fs, "memory-swappiness", "", "int", "-1", "how gladly its memory is swapped, 0 to 100; -1 leaves it to the kernel", r.setSwappiness)
	fs.BoolVar(&r.NoOOMKiller, "oom-kill-disable", false, "have what needs more memory wait, and not be killed")
	addFlag(fs, "cpu-rt-period", "", "uint", "", "length of the period of --cpu-rt-runtime in `microseconds`", func(s string) (err error) {
		r.CPU.RealtimePeriod, err = parseMicroseconds("cpu-rt-period", s)
		return err
	})
	addFlag(fs, "cpu-rt-runtime", "", "int", "", "`microseconds` of each period that real-time processes may run", func(s string) error {
		n, err := parseMicroseconds("cpu-rt-runtime", s)
		r.CPU.RealtimeRuntime = int64(n)
		return err
	})
	addList(fs, &r.Unified, "cgroup-conf", "", "write to a file of the control group of version 2: `FILE=VALUE`", func(s string) (string, error) {
		if file, _, ok := strings.Cut(s, "="); !ok || file == "" || strings.Contains(file, "/") {
			return s, invalid("cgroup-conf", s, "want FILE=VALUE, such as memory.high=1073741824")
		}
		return s, nil
	})
	fs.String("kernel-memory", "", "of no meaning: kernels limit it together with all memory")
	_ = fs.MarkHidden("kernel-memory") // declared on the line above
}

func (r *Resources) setSwappiness(s string) error {
	n, err := strconv.ParseInt(s, 10, 8)
	if err != nil || n < -1 || n > 100 {
		return invalid("memory-swappiness", s, "want a number from 0 to 100, or -1")
	}
	r.Swappiness = nil
	if n >= 0 {
		swappiness := uint64(n)
		r.Swappiness = &swappiness
	}
	return nil
}

func parseMicroseconds(flag, s string) (uint64, error) {
	n, err := strconv.ParseUint(s, 10, 32)
	if err != nil {
		return 0, invalid(flag, s, "want a number of microseconds")
	}
	return n, nil
}
