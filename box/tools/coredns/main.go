// SPDX-License-Identifier: Apache-2.0

// Command coredns is CoreDNS with the plugins that the box's Corefile names and no others:
// the full set pulls in the clients of three clouds and takes minutes more to build.
package main

import (
	_ "github.com/coredns/coredns/plugin/bind"
	_ "github.com/coredns/coredns/plugin/errors"
	_ "github.com/coredns/coredns/plugin/hosts"
	_ "github.com/coredns/coredns/plugin/kubernetes"
	_ "github.com/coredns/coredns/plugin/template"

	"github.com/coredns/coredns/coremain"
)

func main() {
	coremain.Run()
}
