// SPDX-License-Identifier: Apache-2.0

// read-hosts says what containerd makes of a folder of hosts.toml files: its own parser, with the box's patch, reads
// them. The build compiles it beside each generation of containerd (for 1.7 the import paths are changed).
//
// It reads one JSON object a line from standard input and writes one for each to standard output.
package main

import (
	"bufio"
	"context"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"net/http"
	"os"

	"github.com/containerd/containerd/v2/core/remotes/docker"
	"github.com/containerd/containerd/v2/core/remotes/docker/config"
)

// question asks for the hosts of one image host; CAs[i] is the PEM that the i-th host is to trust beside the system's.
type question struct {
	Root         string   `json:"root"`
	Host         string   `json:"host"`
	Repositories []string `json:"repositories"`
	CAs          []string `json:"cas"`
}

type source struct {
	Scheme       string   `json:"scheme"`
	Host         string   `json:"host"`
	Path         string   `json:"path"`
	Capabilities int      `json:"capabilities"`
	Username     string   `json:"username"`
	Password     string   `json:"password"`
	Repositories []string `json:"repositories"`
	TrustsCA     bool     `json:"trustsCA"`
}

type answer struct {
	Sources []source `json:"sources"`
	Error   string   `json:"error"`
}

func main() {
	answers := json.NewEncoder(os.Stdout)
	answers.SetEscapeHTML(false)
	lines := bufio.NewReader(os.Stdin)
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			return
		}
		var asked question
		if err := json.Unmarshal(line, &asked); err != nil {
			fmt.Fprintln(os.Stderr, "not a question:", err)
			os.Exit(1)
		}
		told := answer{}
		if told.Sources, err = read(asked); err != nil {
			told.Error = err.Error()
		}
		if err := answers.Encode(told); err != nil {
			os.Exit(1)
		}
	}
}

func read(asked question) ([]source, error) {
	ctx := context.Background()
	hosts, err := config.ConfigureHosts(ctx, config.HostOptions{HostDir: config.HostDirFromRoot(asked.Root)})(asked.Host)
	if err != nil {
		return nil, err
	}
	var sources []source
	for i, host := range hosts {
		found := source{Scheme: host.Scheme, Host: host.Host, Path: host.Path, Capabilities: int(host.Capabilities)}
		if found.Username, found.Password, err = credentials(ctx, host); err != nil {
			return nil, err
		}
		for _, repository := range asked.Repositories {
			found.Repositories = append(found.Repositories, rewrite(host, repository))
		}
		if i < len(asked.CAs) {
			found.TrustsCA = trusts(host, asked.CAs[i])
		}
		sources = append(sources, found)
	}
	return sources, nil
}

// credentials asks the host's authorizer as a registry does that wants Basic credentials.
func credentials(ctx context.Context, host docker.RegistryHost) (string, string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, host.Scheme+"://"+host.Host+"/v2/", nil)
	if err != nil {
		return "", "", err
	}
	refused := &http.Response{StatusCode: http.StatusUnauthorized, Header: http.Header{}, Request: request}
	refused.Header.Set("WWW-Authenticate", `Basic realm="test"`)
	if err := host.Authorizer.AddResponses(ctx, []*http.Response{refused}); err != nil {
		return "", "", nil // it has none
	}
	if err := host.Authorizer.Authorize(ctx, request); err != nil {
		return "", "", err
	}
	username, password, _ := request.BasicAuth()
	return username, password, nil
}

func rewrite(host docker.RegistryHost, repository string) string {
	for _, rule := range host.Rewrites {
		if rule.Regexp.MatchString(repository) {
			return rule.Regexp.ReplaceAllString(repository, rule.Replacement)
		}
	}
	return repository
}

// trusts says whether the host's client trusts exactly the system's authorities and those of the PEM text.
func trusts(host docker.RegistryHost, pem string) bool {
	transport, ok := host.Client.Transport.(*http.Transport)
	if !ok {
		return false
	}
	if pem == "" {
		return transport.TLSClientConfig.RootCAs == nil
	}
	wanted, err := x509.SystemCertPool()
	if err != nil || !wanted.AppendCertsFromPEM([]byte(pem)) {
		return false
	}
	return wanted.Equal(transport.TLSClientConfig.RootCAs)
}
