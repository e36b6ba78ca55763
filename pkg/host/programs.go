package host

import "os/exec"

// Helpers are the programs of others that Moss can make use of.
func Helpers() []string {
	return []string{"newuidmap", "newgidmap", "getsubids", "slirp4netns", "pasta", "crun", "runc", "nft"}
}

// FindHelpers looks for each of Helpers in PATH and gives where the found ones are. It is for `info`:
// whoever needs a single one looks for it alone.
func FindHelpers() map[string]string {
	found := map[string]string{}
	for _, name := range Helpers() {
		if path, err := exec.LookPath(name); err == nil {
			found[name] = path
		}
	}
	return found
}
