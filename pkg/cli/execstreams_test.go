package cli

import (
	"os"
	"testing"
)

// A pipe of somebody else's, such as cron's, cannot be given to the user of a container: it is carried.
func TestPipesOfOthersAreNotPassedOn(t *testing.T) {
	_, pipe, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	defer pipe.Close()
	if !passable(pipe, null) {
		t.Error("our own pipe is carried")
	}
	if os.Geteuid() != 0 { // only root can give one away
		return
	}
	for _, owner := range [][2]int{{overflowID, 0}, {0, overflowID}} {
		if err := pipe.Chown(owner[0], owner[1]); err != nil {
			t.Fatal(err)
		}
		if passable(pipe, null) {
			t.Errorf("a pipe of %v is passed on", owner)
		}
	}
}
