// SPDX-License-Identifier: Apache-2.0

// Proves hosts-auth-rewrite.patch. The build copies this file beside the patched
// remotes/docker/config/hosts.go and runs it before it compiles the programs.
package config_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/containerd/containerd/remotes/docker"
	"github.com/containerd/containerd/remotes/docker/config"
)

const digest = "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"

// registry asks for Basic credentials and records what each request with the right ones asked for.
type registry struct {
	*httptest.Server
	username, password string
	paths              []string
	tried              []string
}

func newRegistry(t *testing.T, username, password string) *registry {
	t.Helper()
	r := &registry{username: username, password: password}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		username, password, _ := req.BasicAuth()
		if username != "" {
			r.tried = append(r.tried, username+":"+password)
		}
		if username != r.username || password != r.password {
			w.Header().Set("WWW-Authenticate", `Basic realm="registry"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		r.paths = append(r.paths, req.URL.Path)
		w.Header().Set("Content-Type", "application/vnd.oci.image.manifest.v1+json")
		w.Header().Set("Docker-Content-Digest", digest)
		w.Header().Set("Content-Length", "2")
	}))
	t.Cleanup(r.Close)
	return r
}

// resolve asks for the fixed address through hosts.toml, with the credentials that the pull brings.
func resolve(t *testing.T, hostsTOML, username, password string) error {
	t.Helper()
	folder := t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, "hosts.toml"), []byte(hostsTOML), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	resolver := docker.NewResolver(docker.ResolverOptions{Hosts: config.ConfigureHosts(ctx, config.HostOptions{
		HostDir:     func(string) (string, error) { return folder, nil },
		Credentials: func(string) (string, string, error) { return username, password, nil },
	})})
	_, _, err := resolver.Resolve(ctx, "registry.d8-system.svc:5001/system/deckhouse@"+digest)
	return err
}

func TestTheTopLevelHasItsOwnCredentialsAndRewrites(t *testing.T) {
	r := newRegistry(t, "u", "p")
	err := resolve(t, fmt.Sprintf(`server = %q
[auth]
username = "u"
password = "p"
[[rewrite]]
regex = "^system/deckhouse"
replace = "deckhouse/ee"
`, r.URL), "", "")
	if err != nil {
		t.Fatal(err)
	}
	if want := "/v2/deckhouse/ee/manifests/" + digest; r.paths[0] != want {
		t.Fatalf("asked for %s, want %s", r.paths[0], want)
	}
}

func TestAHostHasItsOwnCredentialsAndTheFirstMatchingRewriteWins(t *testing.T) {
	r := newRegistry(t, "u", "p")
	err := resolve(t, fmt.Sprintf(`server = "http://127.0.0.1:1"
[host.%[1]q]
[host.%[1]q.auth]
auth = "dTpw"
[[host.%[1]q.rewrite]]
regex = "^other"
replace = "never"
[[host.%[1]q.rewrite]]
regex = "^(system)/(deckhouse)"
replace = "${2}/from-$1"
[[host.%[1]q.rewrite]]
regex = "deckhouse"
replace = "never"
`, r.URL), "", "")
	if err != nil {
		t.Fatal(err)
	}
	if want := "/v2/deckhouse/from-system/manifests/" + digest; r.paths[0] != want {
		t.Fatalf("asked for %s, want %s", r.paths[0], want)
	}
}

func TestTwoSourcesOnOneHostUseTheirOwnCredentials(t *testing.T) {
	r := newRegistry(t, "new", "right")
	port := r.URL[strings.LastIndex(r.URL, ":"):]
	err := resolve(t, fmt.Sprintf(`server = %q
[auth]
username = "new"
password = "right"
[host."http://localhost%s".auth]
username = "old"
password = "wrong"
`, r.URL, port), "", "")
	if err != nil {
		t.Fatal(err)
	}
	// containerd repeats a refused request a few times before it goes on to the next source.
	if first, last := r.tried[0], r.tried[len(r.tried)-1]; first != "old:wrong" || last != "new:right" {
		t.Fatalf("tried %v", r.tried)
	}
}

func TestCredentialsOfThePullWinOverTheHostsOwnEvenWithoutAPassword(t *testing.T) {
	for _, c := range []struct{ username, password, tried string }{
		{"", "", "u:p"},
		{"pull", "", ""}, // no Basic request is made without a password, and the pull fails
		{"pull", "wrong", "pull:wrong"},
	} {
		r := newRegistry(t, "u", "p")
		err := resolve(t, fmt.Sprintf("server = %q\n[auth]\nusername = \"u\"\npassword = \"p\"\n", r.URL), c.username, c.password)
		if (err == nil) != (c.tried == "u:p") {
			t.Errorf("pull with %q:%q: %v", c.username, c.password, err)
		}
		first := ""
		if len(r.tried) > 0 {
			first = r.tried[0]
		}
		if first != c.tried {
			t.Errorf("pull with %q:%q: tried %v, want %q first", c.username, c.password, r.tried, c.tried)
		}
	}
}
