//go:build moss_front

package storage

import "github.com/mosscontainers/moss/pkg/config"

// The front program has neither names nor registries.conf: their libraries take as long to initialise as a command may.

// Candidates are the full names that name can mean.
func Candidates(*config.Config, string) ([]string, error) { return nil, ErrNeedsFull }

func nameSources(*config.Config) []source { return nil }
