package build

import (
	"context"
	"encoding/json"
	"strings"

	"github.com/moby/buildkit/solver/pb"
	"github.com/moby/buildkit/sourcepolicy"
	policypb "github.com/moby/buildkit/sourcepolicy/pb"

	"github.com/mosscontainers/moss/pkg/errdefs"
)

// readPolicy reads BuildKit's JSON of a source policy.
func readPolicy(text []byte) (*sourcepolicy.Engine, error) {
	var policies []*policypb.Policy
	if len(text) > 0 {
		p := &policypb.Policy{}
		if err := json.Unmarshal(text, p); err != nil {
			return nil, errdefs.Errorf(errdefs.ErrInvalid, "cannot read the source policy: %w", err)
		}
		policies = append(policies, p)
	}
	return sourcepolicy.NewEngine(policies), nil
}

// allowed is a source as the policy has it, which may be another one.
func (s *solver) allowed(ctx context.Context, op *pb.SourceOp) (*pb.SourceOp, error) {
	changed := op.CloneVT()
	if _, err := s.policy.Evaluate(ctx, changed); err != nil {
		return nil, errdefs.Errorf(errdefs.ErrDenied, "cannot use %s: %w", op.Identifier, err)
	}
	return changed, nil
}

// allowedImage is the name of an image as the policy has it.
func (s *solver) allowedImage(ctx context.Context, ref string) (string, error) {
	const scheme = "docker-image://"
	op, err := s.allowed(ctx, &pb.SourceOp{Identifier: scheme + ref})
	if err != nil {
		return "", err
	}
	name, ok := strings.CutPrefix(op.Identifier, scheme)
	if !ok {
		return "", errdefs.Errorf(errdefs.ErrUnavailable, "cannot use %s instead of image %s, as the source policy says: it is no image", op.Identifier, ref)
	}
	return name, nil
}
