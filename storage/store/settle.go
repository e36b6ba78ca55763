package store

import (
	"errors"
	"sync"

	"github.com/mosscontainers/moss/pkg/sys"
)

// settling has the disk hold what was staged while more of it comes: there is little left then for which the end has to wait.
type settling struct {
	mu    sync.Mutex
	since int64         // bytes staged since it was last begun
	runs  chan struct{} // closed when it has ended; nil: it does not run
	err   error
}

// settleEach is how many bytes are worth beginning it.
const settleEach = 4 << 20

// SettleSoon has the disk take a layer that is to be settled, with those that came before it, once they are of some size. Settle waits for that.
func (s *Store) SettleSoon(g *Staged) {
	w := &s.settling
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.since += g.record.UncompressedSize; w.runs != nil || w.since < settleEach {
		return
	}
	ended := make(chan struct{})
	w.since, w.runs = 0, ended
	go func() {
		defer close(ended)
		err := sys.SyncFileSystem(s.cfg.ImageRoot())
		w.mu.Lock()
		defer w.mu.Unlock()
		w.runs, w.err = nil, errors.Join(w.err, err)
	}()
}

// wait returns what went wrong, ever: the kernel tells of what it could not write only once.
func (w *settling) wait() error {
	w.mu.Lock()
	runs := w.runs
	w.mu.Unlock()
	if runs != nil {
		<-runs
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.err
}

// Settle has the disk hold all that was written to the store.
func (s *Store) Settle() error {
	if err := errors.Join(s.settling.wait(), sys.SyncFileSystem(s.cfg.ImageRoot())); err != nil {
		return openError(s.cfg, err)
	}
	return nil
}
