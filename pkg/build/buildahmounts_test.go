package build

import "testing"

// Everything but words of mounts stays as it was, byte for byte.
func TestBuildahMounts(t *testing.T) {
	for in, want := range map[string]string{
		"FROM x\nRUN --mount=type=bind,target=/a,z cat /a,z\n":                                                            "FROM x\nRUN --mount=type=bind,target=/a cat /a,z\n",
		"FROM x\r\nrun --mount=Z,type=bind,target=/a \\\r\n --mount=target=/b,Z ls":                                       "FROM x\r\nrun --mount=type=bind,target=/a \\\r\n --mount=target=/b ls",
		"FROM x\nRUN --mount=type=tmpfs,tmpfs-size=1m,dst=/t ls\n":                                                        "FROM x\nRUN --mount=type=tmpfs,size=1m,dst=/t ls\n",
		"FROM x\nONBUILD RUN --mount=relabel=private,target=/a ls\n":                                                      "FROM x\nONBUILD RUN --mount=target=/a ls\n",
		"FROM x\nRUN --mount=type=bind,\"target=/a,z\" ls\n":                                                              "FROM x\nRUN --mount=type=bind,\"target=/a,z\" ls\n",
		"FROM x\nRUN echo --mount=type=bind,target=/a,z\nCOPY <<E /\n--mount=a,z\nE\n":                                    "FROM x\nRUN echo --mount=type=bind,target=/a,z\nCOPY <<E /\n--mount=a,z\nE\n",
		"FROM x\nRUN --mount=target=/a,z <<E\necho --mount=target=/a,z\nE\n":                                              "FROM x\nRUN --mount=target=/a <<E\necho --mount=target=/a,z\nE\n",
		"FROM x\nRUN \\\n# --mount=target=/a,z\n --mount=target=/a,z --mount=target=/a,z \\\n echo --mount=target=/a,z\n": "FROM x\nRUN \\\n# --mount=target=/a,z\n --mount=target=/a --mount=target=/a \\\n echo --mount=target=/a,z\n",
		"--mount=z RUN --mount=z": "--mount=z RUN --mount=z",
	} {
		if got := string(buildahMounts([]byte(in))); got != want {
			t.Errorf("%q became %q, want %q", in, got, want)
		}
	}
}
