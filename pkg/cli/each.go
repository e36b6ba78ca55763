package cli

import (
	"errors"
	"sync"
)

// each does something for each of several objects and prints its result; one that fails does not keep
// the others from being done.
func (a *App) each(refs []string, do func(ref string) (string, error)) error {
	var errs []error
	for _, ref := range refs {
		line, err := do(ref)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		if line != "" {
			if _, err := a.Out.WriteString(line + "\n"); err != nil {
				return err
			}
		}
	}
	return errors.Join(errs...)
}

// someAtOnce is how many objects are worked on at the same time: enough for waits to overlap, few enough for the
// limit of open files.
const someAtOnce = 16

// together is each for what mostly waits: it does so many at once, and prints in the order of refs.
func (a *App) together(refs []string, atOnce int, do func(ref string) (string, error)) error {
	type result struct {
		line string
		err  error
	}
	results := make([]chan result, len(refs))
	next := make(chan int)
	var workers sync.WaitGroup
	defer workers.Wait()
	for i := range results {
		results[i] = make(chan result, 1) // nobody has to be there to take it
	}
	for range min(atOnce, len(refs)) {
		workers.Go(func() {
			for i := range next {
				line, err := do(refs[i])
				results[i] <- result{line, err}
			}
		})
	}
	workers.Go(func() {
		defer close(next)
		for i := range refs {
			next <- i
		}
	})
	i := -1
	return a.each(refs, func(string) (string, error) {
		i++
		r := <-results[i]
		return r.line, r.err
	})
}
