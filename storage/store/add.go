package store

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"time"

	lib "go.podman.io/storage"

	"github.com/mosscontainers/moss/pkg/sys"
)

// addition is a layer on its way into the list.
type addition struct {
	record lib.Layer
	staged *Staged
	below  string // the short name of its parent, where that is in the store already
}

func (g *Staged) addition(l Layer) addition {
	r := g.record
	r.ID, r.Parent = l.ID, l.Parent
	return addition{record: r, staged: g}
}

// The library adds layers one by one, and for each it saves the list of all layers three times, and that of mounts, with an fsync each time. Here
// they come to where they belong first, under the library's lock, and then all into the list, by one write of it. What is not in the list does
// not exist: the library, Podman's too, removes such a directory when it needs the name. Ours is removed by the next process that looks for temporary
// files (sweepTemp), since whoever adds layers writes down there which, before the first. (The library has layers in its list that it
// marks as incomplete meanwhile. That of Podman 4.3 overlooks every other one, where there are several.)

// add makes layers, in that order; the parent of each is there or comes before it. The disk holds their files, or will later, when Settle has been called.
func (s *Store) add(all []addition, later bool) (err error) {
	begun, err := s.begin(all)
	if err != nil {
		return err
	}
	if err := s.furnish(all); err != nil {
		return err
	}
	if !later {
		if err := s.Settle(); err != nil {
			return err
		}
	}
	l, err := s.lockList("layers")
	if err != nil {
		return err
	}
	defer l.unlock()
	all = l.missing(all)
	if err = s.checkParents(l, all); err == nil {
		err = s.addTo(l, all)
	}
	return errors.Join(err, os.Remove(begun))
}

func (s *Store) addTo(l *list, all []addition) (err error) {
	for i, a := range all {
		if err = s.place(a); err != nil {
			all = all[:i+1]
			break
		}
	}
	if err == nil && len(all) > 0 {
		err = l.append(all)
	}
	if err == nil {
		for _, a := range all {
			s.added.Store(a.record.ID, nil)
		}
		return nil
	}
	for _, a := range all {
		err = errors.Join(err, s.displace(a.record.ID))
	}
	return err
}

// missing are those that the list does not have, or not whole.
func (l *list) missing(all []addition) (missing []addition) {
	there := l.ids()
	for _, a := range all {
		if !there[a.record.ID] {
			missing = append(missing, a)
		}
	}
	return missing
}

func (l *list) ids() map[string]bool {
	there := map[string]bool{}
	for i := range l.records {
		there[l.records[i].ID] = l.records[i].whole()
	}
	return there
}

// checkParents finds out whether what the layers are to be put on was removed meanwhile.
func (s *Store) checkParents(l *list, all []addition) error {
	there := l.ids()
	there[""] = true
	for _, a := range all {
		if parent := a.record.Parent; !there[parent] && !s.elsewhere(parent) || a.below != "" && !s.still(parent, a.below) {
			return lib.ErrParentUnknown
		}
		there[a.record.ID] = true
	}
	return nil
}

// still says whether a layer has that short name. It has another one if it was removed and came again.
func (s *Store) still(id, short string) bool {
	tree, err := s.tree(id)
	if err != nil {
		return false
	}
	link, err := shortName(tree)
	return err == nil && link == short
}

// append writes the list with layers more, in place of what has their ids and is not whole.
func (l *list) append(all []addition) error {
	added := map[string]bool{}
	var more []record
	for _, a := range all {
		a.record.Created = time.Now().UTC()
		r, err := newRecord(&a.record)
		if err != nil {
			return err
		}
		more, added[r.ID] = append(more, r), true
	}
	records := slices.DeleteFunc(slices.Clone(l.records), func(r record) bool { return added[r.ID] })
	return l.write(append(records, more...))
}

// SyncImages has the disk hold the list of images as it is. The library syncs the list itself, but not that it has replaced the one before.
func (s *Store) SyncImages() error {
	if err := sys.Sync(s.listDir("images")); err != nil {
		return openError(s.cfg, err)
	}
	return nil
}

// elsewhere says whether another store than the one that is written has a layer.
func (s *Store) elsewhere(id string) bool {
	tree, err := s.tree(id)
	return err == nil && filepath.Dir(filepath.Dir(filepath.Dir(tree))) != s.cfg.ImageRoot()
}
