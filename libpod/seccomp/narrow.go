package seccomp

import (
	"math"
	"slices"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// narrowArgs are the arguments that profiles look at and of which the kernel takes 32 bits, whatever is in the other half of the register. A
// filter sees all 64: without what follows, socket(1<<32 | AF_VSOCK) is above any family that a profile refuses.
var narrowArgs = map[string]uint{
	"socket": 0, "socketpair": 0, "ioctl": 1, "fcntl": 1, "prctl": 0, "personality": 0,
}

// narrow has conditions on such arguments compare what the kernel takes.
func narrow(rules *specs.LinuxSeccomp) {
	var all []specs.LinuxSyscall
	for _, rule := range rules.Syscalls {
		var others []string
		for _, name := range rule.Names {
			index, ok := narrowArgs[name]
			if !ok || !slices.ContainsFunc(rule.Args, func(a specs.LinuxSeccompArg) bool { return a.Index == index }) {
				others = append(others, name)
				continue
			}
			one := rule
			one.Names = []string{name}
			all = append(all, narrowRule(one, index)...)
		}
		if len(others) > 0 {
			rule.Names = others
			all = append(all, rule)
		}
	}
	rules.Syscalls = all
}

// narrowRule gives rules of which one holds where rule does. As in conditions, what is asked of the same argument twice are alternatives.
func narrowRule(rule specs.LinuxSyscall, index uint) (rules []specs.LinuxSyscall) {
	with := func(args ...specs.LinuxSeccompArg) {
		rule.Args = args
		rules = append(rules, rule)
	}
	args := rule.Args
	seen := map[uint]bool{}
	for _, a := range args {
		seen[a.Index] = true
	}
	if len(seen) < len(args) {
		for _, a := range args {
			for _, n := range narrowArg(a, index) {
				with(n)
			}
		}
		return rules
	}
	at := slices.IndexFunc(args, func(a specs.LinuxSeccompArg) bool { return a.Index == index })
	for _, n := range narrowArg(args[at], index) {
		other := slices.Clone(args)
		other[at] = n
		with(other...)
	}
	return rules
}

// narrowArg gives conditions of which one holds where a does for the lower half of its argument, if that is the one at index.
func narrowArg(a specs.LinuxSeccompArg, index uint) []specs.LinuxSeccompArg {
	if a.Index != index {
		return []specs.LinuxSeccompArg{a}
	}
	const last = math.MaxUint32
	value := a.Value & last
	switch a.Op {
	case specs.OpMaskedEqual:
		a.Value, a.ValueTwo = value, a.ValueTwo&last
		return []specs.LinuxSeccompArg{a}
	case specs.OpEqualTo:
		return within(index, value, value+1)
	case specs.OpNotEqual:
		return append(within(index, 0, value), within(index, value+1, last+1)...)
	case specs.OpLessThan:
		return within(index, 0, value)
	case specs.OpLessEqual:
		return within(index, 0, value+1)
	case specs.OpGreaterEqual:
		return within(index, value, last+1)
	case specs.OpGreaterThan:
		return within(index, value+1, last+1)
	}
	return []specs.LinuxSeccompArg{a} // an error, which conditions tells
}

// within gives conditions of which one holds where the lower half of an argument is from first to before end: comparisons under a mask are the only
// ones that leave out the other half. Each is for a block, as networks are for addresses.
func within(index uint, first, end uint64) (blocks []specs.LinuxSeccompArg) {
	for first < end {
		size := uint64(1)
		for first%(2*size) == 0 && first+2*size <= end {
			size *= 2
		}
		blocks = append(blocks, specs.LinuxSeccompArg{
			Index: index, Op: specs.OpMaskedEqual, Value: math.MaxUint32 &^ (size - 1), ValueTwo: first,
		})
		first += size
	}
	return blocks
}
