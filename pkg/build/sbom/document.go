package sbom

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/opencontainers/go-digest"
	"github.com/spdx/tools-golang/spdx/v2/common"
	spdx "github.com/spdx/tools-golang/spdx/v2/v2_3"
)

// DocumentType is the type of an SPDX document as a predicate of in-toto.
const DocumentType = "https://spdx.dev/Document"

const noAssertion = "NOASSERTION"

// Document is a list as a document of SPDX 2.3, in JSON. tool names what made it, with its version.
func (l *List) Document(name, tool string, created time.Time) ([]byte, error) {
	content, err := json.Marshal(l.Packages)
	if err != nil {
		return nil, err
	}
	root := &spdx.Package{
		PackageName: name, PackageSPDXIdentifier: "Image", PackageDownloadLocation: noAssertion, PrimaryPackagePurpose: "CONTAINER",
		PackageLicenseConcluded: noAssertion, PackageLicenseDeclared: noAssertion, PackageCopyrightText: noAssertion,
	}
	doc := &spdx.Document{
		SPDXVersion: spdx.Version, DataLicense: spdx.DataLicense, SPDXIdentifier: "DOCUMENT", DocumentName: name,
		DocumentNamespace: "https://spdx.org/spdxdocs/moss-" + digest.FromString(name+string(content)).Encoded(),
		CreationInfo: &spdx.CreationInfo{
			Created: created.UTC().Format(time.RFC3339), Creators: []common.Creator{{CreatorType: "Tool", Creator: tool}},
		},
		Packages:      []*spdx.Package{root},
		Relationships: []*spdx.Relationship{relation("DOCUMENT", "DESCRIBES", root)},
	}
	for i, p := range l.Packages {
		one := p.element(fmt.Sprintf("Package-%d", i+1))
		doc.Packages = append(doc.Packages, one)
		doc.Relationships = append(doc.Relationships, relation("Image", "CONTAINS", one))
	}
	return json.Marshal(doc)
}

func relation(from, kind string, to *spdx.Package) *spdx.Relationship {
	return &spdx.Relationship{
		RefA: common.MakeDocElementID("", from), Relationship: kind, RefB: common.MakeDocElementID("", string(to.PackageSPDXIdentifier)),
	}
}

// element is a package as SPDX has it. What the package says of its license is passed on as a comment: it need not be an expression of SPDX.
func (p *Package) element(id string) *spdx.Package {
	e := &spdx.Package{
		PackageName: p.Name, PackageVersion: p.Version, PackageSPDXIdentifier: common.ElementID(id), PackageDownloadLocation: noAssertion,
		PackageSourceInfo:       "found in " + p.Source,
		PackageLicenseConcluded: noAssertion, PackageLicenseDeclared: noAssertion, PackageCopyrightText: noAssertion,
		PackageExternalReferences: []*spdx.PackageExternalReference{{Category: "PACKAGE-MANAGER", RefType: "purl", Locator: p.URL}},
	}
	if p.License != "" {
		e.PackageLicenseComments = "the package says: " + p.License
	}
	return e
}

// URLs are the package URLs alone, each once, in JSON, in the form of Podman's --sbom-purl-output.
func (l *List) URLs() ([]byte, error) {
	type dependency struct {
		URL string `json:"purl"`
	}
	var out struct {
		Contents struct {
			Dependencies []dependency `json:"dependencies"`
		} `json:"image_contents"`
	}
	last := ""
	for _, p := range l.Packages { // which are sorted by them
		if p.URL != last {
			out.Contents.Dependencies = append(out.Contents.Dependencies, dependency{p.URL})
		}
		last = p.URL
	}
	return json.Marshal(out)
}
