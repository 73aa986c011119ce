// SPDX-License-Identifier: Apache-2.0

// cripull pulls images through a container runtime's CRI, as a kubelet does, and says how each pull ended.
//
// It reads one JSON object a line from standard input, so that no credential stands in its arguments, and writes one
// for each to standard output. An object without "auth" is a pull without credentials.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"
)

type order struct {
	Image   string  `json:"image"`
	Seconds float64 `json:"seconds"`
	Auth    *struct {
		Username string `json:"username"`
		Password string `json:"password"`
	} `json:"auth"`
}

type result struct {
	Image   string  `json:"image"`
	Seconds float64 `json:"seconds"`
	Error   string  `json:"error"`
}

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: cripull unix:///run/containerd/containerd.sock < orders")
		os.Exit(2)
	}
	connection, err := grpc.NewClient(os.Args[1], grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	if err := pullAll(cri.NewImageServiceClient(connection)); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func pullAll(images cri.ImageServiceClient) error {
	answers := json.NewEncoder(os.Stdout)
	answers.SetEscapeHTML(false)
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		var wanted order
		if err := json.Unmarshal(lines.Bytes(), &wanted); err != nil {
			return fmt.Errorf("not an order: %w", err)
		}
		started := time.Now()
		err := pull(images, wanted)
		told := result{Image: wanted.Image, Seconds: time.Since(started).Seconds()}
		if err != nil {
			told.Error = err.Error()
		}
		if err := answers.Encode(told); err != nil {
			return err
		}
	}
	return lines.Err()
}

func pull(images cri.ImageServiceClient, wanted order) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Duration(wanted.Seconds*float64(time.Second)))
	defer cancel()
	request := &cri.PullImageRequest{Image: &cri.ImageSpec{Image: wanted.Image}}
	if wanted.Auth != nil {
		request.Auth = &cri.AuthConfig{Username: wanted.Auth.Username, Password: wanted.Auth.Password}
	}
	_, err := images.PullImage(ctx, request)
	return err
}
