package storage

import (
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"hash"
	"strings"
)

// newHash is the hash function of a digest, ALGORITHM:HEX of the OCI image specification, and nil for what is none. (The
// library for digests compiles regular expressions when it is loaded, which a quick command cannot wait for.)
func newHash(digest string) hash.Hash {
	algorithm, digits, _ := strings.Cut(digest, ":")
	var h hash.Hash
	switch algorithm {
	case "sha256":
		h = sha256.New()
	case "sha384":
		h = sha512.New384()
	case "sha512":
		h = sha512.New()
	default:
		return nil
	}
	if len(digits) != 2*h.Size() || !isHex(digits) {
		return nil
	}
	return h
}

// hasDigest says whether data is what the digest names.
func hasDigest(data []byte, digest string) bool {
	h := newHash(digest)
	if h == nil {
		return false
	}
	h.Write(data)
	return strings.HasSuffix(digest, ":"+hex.EncodeToString(h.Sum(nil)))
}
