package oci

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// runBefore runs the hooks that may change what the container finds: config.md, "POSIX-platform Hooks".
func (c *container) runBefore(ctx context.Context) error {
	if c.Hooks == nil {
		return nil
	}
	state := c.state(specs.StateCreating)
	for _, h := range slices.Concat(c.Hooks.Prestart, c.Hooks.CreateRuntime) { //nolint:staticcheck // prestart is deprecated, and used
		if err := runHook(ctx, h, state); err != nil {
			return err
		}
	}
	return nil
}

// runAfter runs hooks that cannot stop anything any more: their failures are warnings.
func (c *container) runAfter(ctx context.Context, hooks []specs.Hook, status specs.ContainerState) (warnings []string) {
	for _, h := range hooks {
		if err := runHook(ctx, h, c.state(status)); err != nil {
			warnings = append(warnings, err.Error())
		}
	}
	return warnings
}

// runHook runs a program of the host's, with the container's state as its input.
func runHook(ctx context.Context, h specs.Hook, state *State) error {
	if h.Timeout != nil {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Duration(*h.Timeout)*time.Second)
		defer cancel()
	}
	input, err := json.Marshal(state)
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, h.Path)
	cmd.Env = append([]string{}, h.Env...) // nothing of ours: nil would be all of it
	if len(h.Args) > 0 {
		cmd.Args = h.Args
	}
	var said bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(input), &said, &said
	cmd.WaitDelay = time.Second // what it left running does not hold us
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("hook %s of container %s failed: %w: %s", h.Path, state.ID, err, strings.TrimSpace(said.String()))
	}
	return nil
}
