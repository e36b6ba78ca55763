package image

import (
	"context"
	"fmt"
	"net/http/httptrace"
	"runtime/metrics"
	"sync/atomic"
	"time"

	"go.podman.io/image/v5/docker"
	"go.podman.io/image/v5/types"

	"github.com/mosscontainers/moss/pkg/silence"
)

// Lists of names come in as many pages as a registry likes, each as long as it likes, and the library reads all of them.
const (
	maxPages   = 2000
	maxListing = 256 << 20 // bytes of memory
)

// tagsOf are the tags of a repository.
func tagsOf(ctx context.Context, sys *types.SystemContext, ref types.ImageReference) (tags []string, err error) {
	err = listing(ctx, func(ctx context.Context) error {
		tags, err = docker.GetRepositoryTags(ctx, sys, ref)
		return err
	})
	return tags, err
}

// listing lets ask read lists of a registry, until there is more than any registry has in earnest.
func listing(ctx context.Context, ask func(context.Context) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var pages atomic.Int32
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GetConn: func(string) {
		if pages.Add(1) > maxPages {
			cancel(fmt.Errorf("the registry's list has no end: it has more than %d pages", maxPages))
		}
	}})
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		watchMemory(ctx, cancel)
	}()
	err := silence.Watch(ctx, 0, ask)
	if cause := context.Cause(ctx); cause != nil {
		err = cause
	}
	cancel(nil)
	<-watched
	return err
}

// watchMemory cancels when this process has got too large. Nobody else says how much an answer has become that is not at its end.
func watchMemory(ctx context.Context, cancel context.CancelCauseFunc) {
	used := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if metrics.Read(used); used[0].Value.Uint64() > maxListing {
			cancel(fmt.Errorf("the registry's list has no end: it has more than %d MiB", maxListing>>20))
			return
		}
	}
}
