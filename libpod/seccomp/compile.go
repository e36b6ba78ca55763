//go:build !moss_front

package seccomp

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"

	"github.com/opencontainers/runtime-spec/specs-go"
	libseccomp "github.com/seccomp/libseccomp-golang"

	"github.com/mosscontainers/moss/pkg/errdefs"
)

var actions = map[specs.LinuxSeccompAction]libseccomp.ScmpAction{
	specs.ActKill:        libseccomp.ActKillThread,
	specs.ActKillThread:  libseccomp.ActKillThread,
	specs.ActKillProcess: libseccomp.ActKillProcess,
	specs.ActTrap:        libseccomp.ActTrap,
	specs.ActErrno:       libseccomp.ActErrno,
	specs.ActTrace:       libseccomp.ActTrace,
	specs.ActAllow:       libseccomp.ActAllow,
	specs.ActLog:         libseccomp.ActLog,
}

var operators = map[specs.LinuxSeccompOperator]libseccomp.ScmpCompareOp{
	specs.OpNotEqual:     libseccomp.CompareNotEqual,
	specs.OpLessThan:     libseccomp.CompareLess,
	specs.OpLessEqual:    libseccomp.CompareLessOrEqual,
	specs.OpEqualTo:      libseccomp.CompareEqual,
	specs.OpGreaterEqual: libseccomp.CompareGreaterEqual,
	specs.OpGreaterThan:  libseccomp.CompareGreater,
	specs.OpMaskedEqual:  libseccomp.CompareMaskedEqual,
}

// recent are calls that the libseccomp of older distributions has no names for. Since Linux 5.1 a new call
// has one number on all architectures: include/uapi/asm-generic/unistd.h.
var recent = map[string]libseccomp.ScmpSyscall{
	"cachestat": 451, "fchmodat2": 452, "map_shadow_stack": 453, "futex_wake": 454, "futex_wait": 455, "futex_requeue": 456,
	"statmount": 457, "listmount": 458, "lsm_get_self_attr": 459, "lsm_set_self_attr": 460, "lsm_list_modules": 461, "mseal": 462,
	"setxattrat": 463, "getxattrat": 464, "listxattrat": 465, "removexattrat": 466, "open_tree_attr": 467,
}

// filter is a profile on its way to instructions.
type filter struct {
	lib      *libseccomp.ScmpFilter
	fallback libseccomp.ScmpAction // what happens to calls without a rule
	highest  libseccomp.ScmpSyscall
	rules    int // how many were added
	archs    []specs.Arch
}

// Compiler is the whole program, and does not return, when the process was started by another moss to compile a profile. It must be
// the first thing that main does.
func Compiler() {
	if os.Args[0] != compilerName {
		return
	}
	rules := &specs.LinuxSeccomp{}
	err := json.NewDecoder(os.Stdin).Decode(rules)
	if err == nil {
		err = compile(os.Stdout, rules)
	}
	switch {
	case err == nil:
		os.Exit(0)
	case errors.Is(err, errdefs.ErrInvalid):
		fmt.Fprint(os.Stderr, err)
		os.Exit(invalidProfile)
	}
	fmt.Fprint(os.Stderr, err)
	os.Exit(1)
}

// compile writes the instructions of rules to a file.
func compile(to *os.File, rules *specs.LinuxSeccomp) error {
	fallback, err := action(rules.DefaultAction, rules.DefaultErrnoRet)
	if err != nil {
		return err
	}
	lib, err := libseccomp.NewFilter(fallback)
	if err != nil {
		return fmt.Errorf("libseccomp cannot make a filter: %w", err)
	}
	defer lib.Release()
	f := &filter{lib: lib, fallback: fallback, archs: append([]specs.Arch{native()}, rules.Architectures...)}
	if err := f.addRules(rules); err != nil {
		return err
	}
	if f.rules > fewRules {
		if err := lib.SetOptimize(binaryTree); err != nil {
			return fmt.Errorf("libseccomp cannot sort a filter: %w", err)
		}
	}
	return f.export(to, rules.DefaultAction == specs.ActErrno)
}

// binaryTree has libseccomp look calls up by halves (seccomp_attr_set(3)). The kernel goes through the filter for each number of a call when it
// is loaded, to know those that are always allowed: with the usual profile 0.07 ms instead of 0.29.
const binaryTree = 2

// fewRules is for how many that is not worth while; of a filter without any, libseccomp up to 2.5.3 makes a wrong one then (libseccomp#370).
const fewRules = 8

func (f *filter) addRules(rules *specs.LinuxSeccomp) error {
	if err := f.lib.SetBadArchAction(libseccomp.ActKillProcess); err != nil {
		return fmt.Errorf("libseccomp cannot refuse other architectures: %w", err)
	}
	for _, arch := range rules.Architectures {
		name := strings.ToLower(strings.TrimPrefix(string(arch), "SCMP_ARCH_"))
		a, err := libseccomp.GetArchFromString(name)
		if err != nil {
			return errdefs.Errorf(errdefs.ErrInvalid, "the architecture %q is not known", arch)
		}
		if err := f.lib.AddArch(a); err != nil {
			return fmt.Errorf("libseccomp cannot add the architecture %s: %w", arch, err)
		}
	}
	for _, call := range rules.Syscalls {
		if err := f.add(call); err != nil {
			return err
		}
	}
	return nil
}

// add adds the rules of one entry. Calls that neither libseccomp nor we have a number for are those of other
// architectures or of newer kernels, and stay refused.
func (f *filter) add(call specs.LinuxSyscall) error {
	act, err := action(call.Action, call.ErrnoRet)
	if err != nil {
		return err
	}
	conditions, err := conditions(call.Args)
	if err != nil {
		return err
	}
	for _, name := range call.Names {
		number, err := libseccomp.GetSyscallFromName(name)
		if err != nil {
			var ok bool
			if number, ok = recent[name]; !ok || len(f.archs) > 1 { // a number without a name is the native architecture's only, to libseccomp
				continue
			}
		}
		f.highest = max(f.highest, number)
		if act == f.fallback {
			continue // libseccomp refuses rules that change nothing
		}
		for _, all := range conditions {
			if err := f.lib.AddRuleConditional(number, act, all); err != nil {
				return fmt.Errorf("libseccomp cannot add a rule for %s: %w", name, err)
			}
			f.rules++
		}
	}
	return nil
}

func action(a specs.LinuxSeccompAction, errno *uint) (libseccomp.ScmpAction, error) {
	if a == specs.ActNotify {
		return 0, errdefs.Errorf(errdefs.ErrInvalid, "the action %s needs a program that listens, which Moss does not have", a)
	}
	act, ok := actions[a]
	if !ok {
		return 0, errdefs.Errorf(errdefs.ErrInvalid, "the action %q is not known", a)
	}
	if act != libseccomp.ActErrno && act != libseccomp.ActTrace {
		return act, nil
	}
	code := uint(syscall.EPERM) // runtime-spec, config-linux.md, "errnoRet"
	if errno != nil {
		code = *errno
	}
	if code > 4095 { // MAX_ERRNO of the kernel
		return 0, errdefs.Errorf(errdefs.ErrInvalid, "the error number %d is above 4095", code)
	}
	return act.SetReturnCode(int16(code)), nil
}

// conditions are alternatives of which each must hold as a whole. libseccomp takes one condition for an
// argument; several for the same one have always meant "or" in OCI runtimes.
func conditions(args []specs.LinuxSeccompArg) ([][]libseccomp.ScmpCondition, error) {
	var all []libseccomp.ScmpCondition
	seen, repeated := map[uint]bool{}, false
	for _, a := range args {
		op, ok := operators[a.Op]
		if !ok {
			return nil, errdefs.Errorf(errdefs.ErrInvalid, "the operator %q is not known", a.Op)
		}
		values := []uint64{a.Value}
		if a.Op == specs.OpMaskedEqual {
			values = append(values, a.ValueTwo)
		}
		c, err := libseccomp.MakeCondition(a.Index, op, values...)
		if err != nil {
			return nil, errdefs.Errorf(errdefs.ErrInvalid, "the condition on argument %d is wrong: %w", a.Index, err)
		}
		repeated = repeated || seen[a.Index]
		seen[a.Index] = true
		all = append(all, c)
	}
	if !repeated {
		return [][]libseccomp.ScmpCondition{all}, nil
	}
	var each [][]libseccomp.ScmpCondition
	for _, c := range all {
		each = append(each, []libseccomp.ScmpCondition{c})
	}
	return each, nil
}

// export writes the instructions. With unknown, calls newer than any that the profile names get ENOSYS in
// place of the profile's error: C libraries fall back to an older call only then.
func (f *filter) export(to *os.File, unknown bool) error {
	if unknown {
		if _, err := to.Write(f.refuseNewer()); err != nil {
			return err
		}
	}
	// libseccomp writes to a descriptor, and its instructions jump forward only: they can follow others.
	if err := f.lib.ExportBPF(to); err != nil {
		return fmt.Errorf("libseccomp cannot write the filter: %w", err)
	}
	size, err := to.Seek(0, io.SeekCurrent)
	if err != nil {
		return err
	}
	if size/instruction > maxInstructions {
		return errors.New("it has more than 4096 instructions, which the kernel does not take")
	}
	return nil
}

// maxInstructions is BPF_MAXINSNS.
const maxInstructions = 4096

// refuseNewer are the instructions that answer ENOSYS to calls with a number
// above the highest, which is the same for all architectures: seccomp(2), and for the codes linux/bpf_common.h.
func (f *filter) refuseNewer() []byte {
	const (
		loadWord     = 0x20 // BPF_LD | BPF_W | BPF_ABS
		jumpIfEqual  = 0x15 // BPF_JMP | BPF_JEQ | BPF_K
		jumpIfAbove  = 0x25 // BPF_JMP | BPF_JGT | BPF_K
		answer       = 0x06 // BPF_RET | BPF_K
		numberAt     = 0    // offsetof(struct seccomp_data, nr)
		architecture = 4    // offsetof(struct seccomp_data, arch)
		retErrno     = 0x00050000
	)
	type sockFilter struct {
		Code   uint16
		JT, JF uint8
		K      uint32
	}
	var out bytes.Buffer
	seen := map[uint32]bool{}
	for _, arch := range f.archs {
		code, ok := auditArch[arch]
		if !ok || seen[code] {
			continue
		}
		seen[code] = true
		end := ^uint32(0)
		if arch == specs.ArchARM {
			end = armPrivate - 1
		}
		_ = binary.Write(&out, binary.NativeEndian, []sockFilter{ // a bytes.Buffer takes everything
			{loadWord, 0, 0, architecture},
			{jumpIfEqual, 0, 4, code},
			{loadWord, 0, 0, numberAt},
			{jumpIfAbove, 0, 2, uint32(f.highest)},
			{jumpIfAbove, 1, 0, end},
			{answer, 0, 0, retErrno | uint32(syscall.ENOSYS)},
		})
	}
	return out.Bytes()
}

// armPrivate is where the numbers of calls begin that only arm has, such as that for a thread's own data.
const armPrivate = 0xf0000

// auditArch are the numbers of linux/audit.h.
var auditArch = map[specs.Arch]uint32{
	specs.ArchX86_64: 0xc000003e, specs.ArchX86: 0x40000003, specs.ArchAARCH64: 0xc00000b7, specs.ArchARM: 0x40000028,
	specs.ArchRISCV64: 0xc00000f3, specs.ArchPPC64LE: 0xc0000015, specs.ArchS390X: 0x80000016, specs.ArchLOONGARCH64: 0xc0000102,
}
