package test

import (
	"os"

	"github.com/rogpeppe/go-internal/testscript"
	"go.podman.io/image/v5/signature/sigstore"
)

// sigstoreKey NAME [PASSPHRASE]: a pair of keys of sigstore's, in NAME.private and NAME.pub.
func sigstoreKey(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 || len(args) > 2 {
		ts.Fatalf("usage: sigstore-key NAME [PASSPHRASE]")
	}
	pair, err := sigstore.GenerateKeyPair([]byte(append(args, "")[1]))
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[0]+".private"), pair.PrivateKey, 0o600))
	ts.Check(os.WriteFile(ts.MkAbs(args[0]+".pub"), pair.PublicKey, 0o644))
}
