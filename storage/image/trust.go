package image

import (
	"encoding/json"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode"

	"github.com/ProtonMail/go-crypto/openpgp"
	"go.podman.io/image/v5/docker"
	"go.podman.io/image/v5/docker/reference"
	"go.podman.io/image/v5/signature"

	"github.com/mosscontainers/moss/pkg/config"
	"github.com/mosscontainers/moss/pkg/errdefs"
)

// policyFile is containers-policy.json(5), of which only what is changed is looked at.
type policyFile struct {
	Default    []json.RawMessage                       `json:"default"`
	Transports map[string]map[string][]json.RawMessage `json:"transports,omitempty"`
}

// requirement is one that images must meet.
type requirement struct {
	Type     string   `json:"type"`
	KeyType  string   `json:"keyType,omitempty"`
	KeyPath  string   `json:"keyPath,omitempty"`
	KeyPaths []string `json:"keyPaths,omitempty"`
	KeyData  []byte   `json:"keyData,omitempty"`
}

// policyTypes are the names in the file of what people call them.
func policyTypes() map[string]string {
	return map[string]string{
		"accept": "insecureAcceptAnything", "reject": "reject", "signedBy": "signedBy", "sigstoreSigned": "sigstoreSigned",
	}
}

// systemPolicy is where distributions put the policy.
const systemPolicy = "/etc/containers/policy.json"

// PolicyPath is the file that TrustSet changes: the option, $CONTAINERS_POLICY_JSON, or the user's own; root's is the system's.
func PolicyPath(cfg *config.Config, option string) string {
	switch {
	case option != "":
		return option
	case os.Getenv("CONTAINERS_POLICY_JSON") != "":
		return os.Getenv("CONTAINERS_POLICY_JSON")
	case cfg.User.UID == 0:
		return systemPolicy
	}
	return filepath.Join(cfg.User.ConfigHome, "containers", "policy.json")
}

// RawPolicy is the policy that applies. Where there is no file, everything is accepted.
func RawPolicy(cfg *config.Config, option string) ([]byte, error) {
	for _, path := range []string{PolicyPath(cfg, option), systemPolicy} {
		raw, err := os.ReadFile(path)
		if err == nil {
			return raw, nil
		}
		if option != "" || !errors.Is(err, os.ErrNotExist) {
			return nil, errdefs.Errorf(errdefs.ErrInvalid, "cannot read the signature policy: %w", err)
		}
	}
	return []byte(`{"default": [{"type": "insecureAcceptAnything"}]}`), nil
}

func readPolicy(cfg *config.Config, option string) (*policyFile, error) {
	raw, err := RawPolicy(cfg, option)
	if err != nil {
		return nil, err
	}
	policy := &policyFile{}
	if err := json.Unmarshal(raw, policy); err != nil {
		return nil, errdefs.Errorf(errdefs.ErrInvalid, "cannot read the signature policy %s: %w", PolicyPath(cfg, option), err)
	}
	return policy, nil
}

// TrustOptions are those of image trust set.
type TrustOptions struct {
	Policy string   // file to change; "" is PolicyPath's
	Type   string   // accept, reject, signedBy or sigstoreSigned
	Keys   []string // files with public keys, of which each must have signed
}

// TrustSet says what images of a scope must have to be accepted: a registry, a repository or an image, or "default" for
// all others.
func TrustSet(cfg *config.Config, scope string, o TrustOptions) error {
	requirements, err := requirementsOf(o)
	if err != nil {
		return err
	}
	if scope == "" || strings.Contains(scope, "://") || strings.ContainsFunc(scope, unicode.IsSpace) {
		return errdefs.Errorf(errdefs.ErrInvalid, "cannot trust %q: write a registry, a repository or an image, as in example.org/team, or default", scope)
	}
	policy, err := readPolicy(cfg, o.Policy)
	if err != nil {
		return err
	}
	if scope == "default" {
		policy.Default = requirements
	} else {
		policy.set(docker.Transport.Name(), scope, requirements)
	}
	raw, err := json.MarshalIndent(policy, "", "    ")
	if err != nil {
		return err
	}
	if _, err := signature.NewPolicyFromBytes(raw); err != nil {
		return errdefs.Errorf(errdefs.ErrInvalid, "cannot trust %q so: %w", scope, err)
	}
	return writePolicy(PolicyPath(cfg, o.Policy), append(raw, '\n'))
}

func (p *policyFile) set(transport, scope string, requirements []json.RawMessage) {
	if p.Transports == nil {
		p.Transports = map[string]map[string][]json.RawMessage{}
	}
	if p.Transports[transport] == nil {
		p.Transports[transport] = map[string][]json.RawMessage{}
	}
	p.Transports[transport][scope] = requirements
}

func requirementsOf(o TrustOptions) ([]json.RawMessage, error) {
	kind, ok := policyTypes()[o.Type]
	if !ok {
		return nil, errdefs.Errorf(errdefs.ErrInvalid, "cannot use the type %q: it is one of accept, reject, signedBy, sigstoreSigned", o.Type)
	}
	signed := kind == o.Type && kind != "reject"
	if signed != (len(o.Keys) > 0) {
		return nil, errdefs.Errorf(errdefs.ErrInvalid, "cannot use the type %q like that: signedBy and sigstoreSigned need --pubkeysfile, accept and reject have no keys", o.Type)
	}
	if !signed {
		return encodeRequirements([]requirement{{Type: kind}})
	}
	var all []requirement
	for _, file := range o.Keys {
		path, err := filepath.Abs(file)
		if err == nil {
			_, err = os.Stat(path)
		}
		if err != nil {
			return nil, errdefs.Errorf(errdefs.ErrInvalid, "cannot use the public key: %w", err)
		}
		one := requirement{Type: kind, KeyPath: path}
		if kind == "signedBy" {
			one.KeyType = "GPGKeys"
		}
		all = append(all, one)
	}
	return encodeRequirements(all)
}

func encodeRequirements(all []requirement) ([]json.RawMessage, error) {
	var encoded []json.RawMessage
	for _, r := range all {
		raw, err := json.Marshal(r)
		if err != nil {
			return nil, err
		}
		encoded = append(encoded, raw)
	}
	return encoded, nil
}

// writePolicy replaces the file whole: a policy that is cut off would keep every image out.
func writePolicy(path string, raw []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return errdefs.Errorf(errdefs.ErrDenied, "cannot write the signature policy: %w", err)
	}
	err := replace(path, func(tmp string) error { return os.WriteFile(tmp, raw, 0o644) })
	if err != nil {
		return errdefs.Errorf(errdefs.ErrDenied, "cannot write the signature policy: %w", err)
	}
	return nil
}

// Trust is what one requirement of the policy asks of the images of a scope.
type Trust struct {
	Transport string   `json:"transport"` // "repository" for registries, "all" for the default
	Name      string   `json:"name"`      // the scope, for people
	Scope     string   `json:"repo_name"`
	Type      string   `json:"type"` // accept, reject, signed, sigstoreSigned
	Keys      []string `json:"keys,omitempty"`
	GPGID     string   `json:"gpg_id,omitempty"`   // addresses of the keys
	Store     string   `json:"sigstore,omitempty"` // where signatures are looked for
}

// TrustShow lists what the policy asks for, the default first.
func TrustShow(cfg *config.Config, option string) ([]Trust, error) {
	policy, err := readPolicy(cfg, option)
	if err != nil {
		return nil, err
	}
	all, err := trustOf(cfg, Trust{Transport: "all", Name: "* (default)", Scope: "default"}, policy.Default)
	if err != nil {
		return nil, err
	}
	for _, transport := range slices.Sorted(maps.Keys(policy.Transports)) {
		scopes := policy.Transports[transport]
		for _, scope := range slices.Sorted(maps.Keys(scopes)) {
			one := Trust{Transport: transport, Name: scope, Scope: scope}
			if transport == docker.Transport.Name() {
				one.Transport = "repository"
			}
			some, err := trustOf(cfg, one, scopes[scope])
			if err != nil {
				return nil, err
			}
			all = append(all, some...)
		}
	}
	return all, nil
}

// trustOf completes one for each requirement of a scope.
func trustOf(cfg *config.Config, one Trust, requirements []json.RawMessage) ([]Trust, error) {
	shown := map[string]string{"insecureAcceptAnything": "accept", "signedBy": "signed"}
	var all []Trust
	for _, raw := range requirements {
		var r requirement
		if err := json.Unmarshal(raw, &r); err != nil {
			return nil, errdefs.Errorf(errdefs.ErrInvalid, "cannot read the signature policy for %s: %w", one.Scope, err)
		}
		t := one
		t.Type = firstOf(shown[r.Type], r.Type)
		t.Keys = r.KeyPaths
		if r.KeyPath != "" {
			t.Keys = append([]string{r.KeyPath}, t.Keys...)
		}
		if r.Type == "signedBy" {
			t.GPGID = strings.Join(keyOwners(t.Keys), ", ")
			t.Store = signatureStore(cfg, t.Scope)
		}
		all = append(all, t)
	}
	return all, nil
}

// keyOwners are the addresses of public keys, or their ids; of a file that cannot be read its path.
func keyOwners(files []string) []string {
	var owners []string
	for _, path := range files {
		keys, err := readKeys(path)
		if err != nil {
			owners = append(owners, path)
		}
		for _, key := range keys {
			owner := key.PrimaryKey.KeyIdString()
			if identity := key.PrimaryIdentity(); identity != nil && identity.UserId != nil {
				owner = firstOf(identity.UserId.Email, owner)
			}
			owners = append(owners, oneLine(owner))
		}
	}
	return owners
}

func readKeys(path string) (keys openpgp.EntityList, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer closing(&err, f)
	keys, err = openpgp.ReadArmoredKeyRing(f)
	if err == nil {
		return keys, nil
	}
	if _, err := f.Seek(0, 0); err != nil {
		return nil, err
	}
	return openpgp.ReadKeyRing(f)
}

// signatureStore is where registries.d says that the signatures of a scope are; "" where it cannot tell.
func signatureStore(cfg *config.Config, scope string) string {
	named, err := reference.ParseNormalizedNamed(scope)
	if err != nil || named.Name() != strings.SplitN(scope, ":", 2)[0] && !strings.HasPrefix(scope, named.Name()) {
		return ""
	}
	ref, err := docker.NewReference(reference.TagNameOnly(named))
	if err != nil {
		return ""
	}
	sys, err := systemContext(cfg, Registry{}, Platform{})
	if err != nil {
		return ""
	}
	base, err := docker.SignatureStorageBaseURL(sys, ref, false)
	if err != nil {
		return ""
	}
	return strings.TrimSuffix(base.String(), "/"+named.Name())
}
