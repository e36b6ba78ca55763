package helper

import (
	"os"
	"sync"

	"github.com/mosscontainers/moss/pkg/sys"
)

// Visitor is a thread that stays in a network namespace: to send one there and back for each socket takes longer than all the rest.
type Visitor struct {
	jobs   chan func()
	thread sync.WaitGroup
}

// Visit sends a thread into a network namespace.
func Visit(netns *os.File) (*Visitor, error) {
	v := &Visitor{jobs: make(chan func())}
	entered := make(chan error, 1)
	v.thread.Go(func() {
		_ = sys.OnThread(func() error {
			err := sys.Setns(netns, sys.CloneNet)
			entered <- err
			if err != nil {
				return err
			}
			for job := range v.jobs {
				job()
			}
			return nil
		})
	})
	if err := <-entered; err != nil {
		v.Leave()
		return nil, err
	}
	return v, nil
}

// Do has the thread do something, and waits for it.
func (v *Visitor) Do(job func()) {
	done := make(chan struct{})
	v.jobs <- func() {
		defer close(done)
		job()
	}
	<-done
}

// Leave ends the thread. Nobody may call Do any more.
func (v *Visitor) Leave() {
	close(v.jobs)
	v.thread.Wait()
}
