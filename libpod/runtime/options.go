package runtime

import (
	"strings"

	"github.com/mosscontainers/moss/pkg/sys"
)

// mountOptions are an OCI mount's options, sorted by what acts on them.
type mountOptions struct {
	attr      sys.MountAttr // of the mount
	recursive sys.MountAttr // of the mount and everything below it: rro, rnosuid, …
	spread    uint64        // propagation type, 0 for none
	spreadAll bool
	bind      bool // this mount, alone
	rbind     bool // with everything below it
	copyUp    bool
	data      []string // for the file system
}

// attributes relates option words to attributes of a mount: see mount(8), "FILESYSTEM-INDEPENDENT MOUNT OPTIONS".
var attributes = map[string]struct {
	clear bool
	flag  uint64
}{
	"ro":            {false, sys.MountReadOnly},
	"rw":            {true, sys.MountReadOnly},
	"nosuid":        {false, sys.MountNoSuid},
	"suid":          {true, sys.MountNoSuid},
	"nodev":         {false, sys.MountNoDev},
	"dev":           {true, sys.MountNoDev},
	"noexec":        {false, sys.MountNoExec},
	"exec":          {true, sys.MountNoExec},
	"nosymfollow":   {false, sys.MountNoSymFol},
	"symfollow":     {true, sys.MountNoSymFol},
	"nodiratime":    {false, sys.MountNoDirAt},
	"diratime":      {true, sys.MountNoDirAt},
	"noatime":       {false, sys.MountNoAtime},
	"strictatime":   {false, sys.MountStrictAt},
	"relatime":      {true, sys.MountAtime},
	"atime":         {true, 0},
	"norelatime":    {true, 0},
	"nostrictatime": {true, 0},
}

// ignored are words that say what is so anyway, or that are for others.
var ignored = map[string]bool{
	"defaults": true, "async": true, "nomand": true, "silent": true, "loud": true, "U": true, "z": true, "Z": true,
	"copy": true, "nocopy": true, "private-opt": true,
}

func parseOptions(list []string) mountOptions {
	var o mountOptions
	for _, word := range list {
		if a, ok := attributes[word]; ok {
			change(&o.attr, a.clear, a.flag)
			continue
		}
		if a, ok := attributes[strings.TrimPrefix(word, "r")]; ok && strings.HasPrefix(word, "r") {
			change(&o.recursive, a.clear, a.flag)
			continue
		}
		if flag, all, ok := propagation(word); ok {
			o.spread, o.spreadAll = flag, all
			continue
		}
		switch {
		case word == "bind":
			o.bind = true
		case word == "rbind":
			o.rbind = true
		case word == "tmpcopyup":
			o.copyUp = true
		case !ignored[word] && word != "":
			o.data = append(o.data, word)
		}
	}
	return o
}

func change(a *sys.MountAttr, clear bool, flag uint64) {
	if flag&sys.MountAtime != 0 { // one field of several bits: cleared whole, then set
		a.Clear |= sys.MountAtime
		a.Set &^= sys.MountAtime
		if !clear {
			a.Set |= flag
		}
		return
	}
	if clear {
		a.Clear |= flag
		a.Set &^= flag
		return
	}
	a.Set |= flag
	a.Clear &^= flag
}

// propagation reads a word such as "rslave".
func propagation(word string) (flag uint64, recursive, ok bool) {
	flags := map[string]uint64{
		"shared": sys.MountShared, "slave": sys.MountSlave, "private": sys.MountPrivate, "unbindable": sys.MountUnbindable,
	}
	if flag, ok = flags[word]; ok {
		return flag, false, true
	}
	flag, ok = flags[strings.TrimPrefix(word, "r")]
	return flag, true, ok
}
