package storage

import (
	"fmt"
	"os"
	"strings"
)

// readLink reads a layer's file "link": the name of its short symbolic link in overlay/l, which keeps
// the options of an overlay mount below one page.
func readLink(path string) (string, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	link := strings.TrimSpace(string(data))
	if link == "" || strings.ContainsAny(link, "/:,\\") || link == "." || link == ".." {
		return "", fmt.Errorf("%s does not hold the name of a link", path)
	}
	return link, nil
}

func checkDir(path string) error {
	info, err := os.Stat(path)
	if err == nil && !info.IsDir() {
		err = fmt.Errorf("%s is not a directory", path)
	}
	return err
}
