package image

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"unicode"

	"go.podman.io/image/v5/docker"
	"go.podman.io/image/v5/docker/reference"
	"go.podman.io/image/v5/pkg/sysregistriesv2"
	"go.podman.io/image/v5/types"

	"github.com/mosscontainers/moss/pkg/config"
	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/storage"
)

// defaultLimit is how many results a registry is asked for: Docker's number.
const defaultLimit = 25

// SearchOptions are those of a search.
type SearchOptions struct {
	Registry
	Limit int // of results for each registry; 0 is 25
}

func (o SearchOptions) limit() int {
	if o.Limit <= 0 {
		return defaultLimit
	}
	return o.Limit
}

// Found is an image that a registry offers. A registry that has a catalog only tells nothing but names.
type Found struct {
	Index       string // the registry
	Name        string // full: REGISTRY/REPOSITORY
	Description string // on one line
	Stars       int
	Official    bool
	Automated   bool
}

// Searched is what a search found.
type Searched struct {
	Images   []Found
	Warnings []string // of registries that could not be asked, where others could
}

// Search asks registries for images whose names or descriptions have a term. [REGISTRY/]TERM asks that registry, and TERM
// alone all unqualified-search-registries of registries.conf, at once; where it names none, docker.io. It needs no store.
func Search(ctx context.Context, cfg *config.Config, term string, o SearchOptions) (*Searched, error) {
	sys, err := systemContext(cfg, o.Registry, Platform{})
	if err != nil {
		return nil, err
	}
	registries, term, err := searchedRegistries(sys, term)
	if err != nil {
		return nil, err
	}
	answers, failures := make([][]Found, len(registries)), make([]error, len(registries))
	var asking sync.WaitGroup
	for i, registry := range registries {
		asking.Go(func() { answers[i], failures[i] = searchOne(ctx, sys, registry, term, o.limit()) })
	}
	asking.Wait()
	return joinAnswers(answers, failures)
}

// joinAnswers keeps the registries' order. One that failed is an error only if no other answered.
func joinAnswers(answers [][]Found, failures []error) (*Searched, error) {
	all := &Searched{}
	failed := 0
	for i, answer := range answers {
		all.Images = append(all.Images, answer...)
		if failures[i] != nil {
			failed++
			all.Warnings = append(all.Warnings, failures[i].Error())
		}
	}
	if failed == len(answers) {
		return nil, errors.Join(failures...)
	}
	return all, nil
}

// searchedRegistries splits a registry from the term, or finds the ones to ask.
func searchedRegistries(sys *types.SystemContext, term string) (registries []string, rest string, err error) {
	term = strings.TrimPrefix(term, "docker://")
	first, rest, found := strings.Cut(term, "/")
	if found && (first == "localhost" || strings.ContainsAny(first, ".:")) {
		return []string{first}, rest, nil
	}
	registries, err = sysregistriesv2.UnqualifiedSearchRegistries(sys)
	if err != nil {
		return nil, "", errdefs.Errorf(errdefs.ErrInvalid, "cannot search: registries.conf cannot be read: %w", err)
	}
	if len(registries) == 0 {
		registries = []string{storage.DockerHub}
	}
	return registries, term, nil
}

func searchOne(ctx context.Context, sys *types.SystemContext, registry, term string, limit int) ([]Found, error) {
	if err := notBlocked(sys, registry); err != nil {
		return nil, err
	}
	var results []docker.SearchResult
	err := listing(ctx, func(ctx context.Context) (err error) {
		results, err = docker.SearchRegistry(ctx, sys, registry, term, limit)
		return err
	})
	if err != nil {
		return nil, explain(err, "search", registry)
	}
	if len(results) > limit { // not every registry counts
		results = results[:limit]
	}
	var found []Found
	for _, r := range results {
		found = append(found, Found{
			Index: registry, Name: repositoryOf(registry, oneLine(r.Name)), Description: oneLine(r.Description),
			Stars: r.StarCount, Official: r.IsOfficial, Automated: r.IsAutomated,
		})
	}
	return found, nil
}

func notBlocked(sys *types.SystemContext, registry string) error {
	configured, err := sysregistriesv2.FindRegistry(sys, registry)
	if err != nil {
		return errdefs.Errorf(errdefs.ErrInvalid, "cannot search %s: registries.conf cannot be read: %w", registry, err)
	}
	if configured != nil && configured.Blocked {
		return errdefs.Errorf(errdefs.ErrDenied, "cannot search %s: registries.conf blocks it", registry)
	}
	return nil
}

func repositoryOf(registry, name string) string {
	if registry == storage.DockerHub && !strings.Contains(name, "/") {
		name = "library/" + name
	}
	return registry + "/" + name
}

// oneLine makes what a registry says fit to be printed: it must neither break the table nor steer the terminal.
func oneLine(text string) string {
	text = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, text)
	return strings.Join(strings.Fields(text), " ")
}

// RemoteTags lists the tags of a repository: its full name, which the first registry that has it decides, and at most
// limit tags. It needs no store.
func RemoteTags(ctx context.Context, cfg *config.Config, name string, o SearchOptions) (repository string, tags []string, err error) {
	sys, err := systemContext(cfg, o.Registry, Platform{})
	if err != nil {
		return "", nil, err
	}
	candidates, err := remoteNames(cfg, strings.TrimPrefix(name, "docker://"))
	if err != nil {
		return "", nil, err
	}
	var failures []error
	for _, candidate := range candidates {
		ref, err := docker.NewReference(reference.TagNameOnly(candidate))
		if err != nil {
			return "", nil, err
		}
		tags, err := tagsOf(ctx, sys, ref)
		if err == nil {
			slices.Sort(tags) // registries have no order
			return candidate.Name(), tags[:min(len(tags), o.limit())], nil
		}
		failures = append(failures, err)
	}
	return "", nil, explain(oneSentence(failures), "list the tags of", name)
}
