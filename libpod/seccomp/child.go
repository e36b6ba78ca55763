package seccomp

// How the front program has the full one compile a profile: it is executed as compilerName, reads the rules as JSON and writes
// the instructions. What it says on standard error is the error.
const (
	compilerName   = "moss-seccomp"
	invalidProfile = 2 // exit code: the rules are wrong; 1 is any other error
)
