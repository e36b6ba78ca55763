package store

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"

	lib "go.podman.io/storage"
	"go.podman.io/storage/pkg/ioutils"
	"go.podman.io/storage/pkg/lockfile"
)

// list is one of the library's lists, under its lock: overlay-images/images.json or overlay-layers/layers.json.
type list struct {
	locks   []*lockfile.LockFile
	path    string
	records []record
}

// record is what matters here of the record of a layer or of an image. All of it is in raw.
type record struct {
	ID     string         `json:"id"`
	Parent string         `json:"parent"`        // of a layer
	Top    string         `json:"layer"`         // of an image
	Mapped []string       `json:"mapped-layers"` // of an image
	Names  []string       `json:"names"`         // of an image
	Flags  map[string]any `json:"flags"`         // of a layer
	raw    json.RawMessage
}

// incomplete is the library's mark of a layer that is not whole. Whoever finds it removes the layer.
const incomplete = "incomplete"

func (r *record) whole() bool { return r.Flags[incomplete] != true }

// newRecord is that of a layer, as the library writes it.
func newRecord(l *lib.Layer) (record, error) {
	raw, err := json.Marshal(l)
	return record{ID: l.ID, Parent: l.Parent, Flags: l.Flags, raw: raw}, err
}

// lockList locks and reads a list, "images" or "layers". That of layers is locked before that of images.
func (s *Store) lockList(kind string) (*list, error) {
	l := &list{path: filepath.Join(s.listDir(kind), kind+".json")}
	err := l.lock(s, kind)
	if err != nil {
		return nil, err
	}
	if l.records, err = s.readList(kind, kind+".json"); err != nil {
		l.unlock()
		return nil, err
	}
	return l, nil
}

func (l *list) lock(s *Store, kind string) error {
	roots := []string{s.cfg.ImageRoot()}
	if kind == "layers" && s.cfg.ImageStore != "" { // the library has both locked then, this one first
		roots = []string{s.cfg.GraphRoot, s.cfg.ImageStore}
	}
	for _, root := range roots {
		lock, err := lockfile.GetLockFile(filepath.Join(root, s.cfg.Driver+"-"+kind, kind+".lock"))
		if err != nil {
			return openError(s.cfg, err)
		}
		l.locks = append(l.locks, lock)
	}
	for _, lock := range l.locks {
		lock.Lock()
	}
	return nil
}

func (l *list) unlock() {
	for _, lock := range l.locks {
		lock.Unlock()
	}
}

func (s *Store) listDir(kind string) string {
	return filepath.Join(s.cfg.ImageRoot(), s.cfg.Driver+"-"+kind)
}

// readList reads the records of a file; none where it is not there.
func (s *Store) readList(kind, name string) ([]record, error) {
	data, err := os.ReadFile(filepath.Join(s.listDir(kind), name))
	if errors.Is(err, os.ErrNotExist) || err == nil && len(data) == 0 {
		return nil, nil
	}
	var raw []json.RawMessage
	if err == nil {
		err = json.Unmarshal(data, &raw)
	}
	records := make([]record, len(raw))
	for i := 0; i < len(raw) && err == nil; i++ {
		records[i].raw = raw[i]
		err = json.Unmarshal(raw[i], &records[i])
	}
	if err != nil {
		return nil, openError(s.cfg, err)
	}
	return records, nil
}

// set sets a flag.
func (r *record) set(flag string) error {
	fields, flags := map[string]json.RawMessage{}, map[string]any{}
	if err := json.Unmarshal(r.raw, &fields); err != nil {
		return err
	}
	if old := fields["flags"]; old != nil {
		if err := json.Unmarshal(old, &flags); err != nil {
			return err
		}
	}
	if flags == nil { // it was null
		flags = map[string]any{}
	}
	flags[flag] = true
	var err error
	if fields["flags"], err = json.Marshal(flags); err == nil {
		r.raw, err = json.Marshal(fields)
	}
	return err
}

// write replaces the list. Who has read it before, the library in this process too, learns of it from the lock's file.
func (l *list) write(records []record) error {
	raw := make([]json.RawMessage, len(records))
	for i := range records {
		raw[i] = records[i].raw
	}
	data, err := json.Marshal(raw)
	if err != nil {
		return err
	}
	for _, lock := range l.locks {
		if _, err := lock.RecordWrite(); err != nil {
			return err
		}
	}
	return ioutils.AtomicWriteFile(l.path, data, 0o600)
}
