// SPDX-License-Identifier: Apache-2.0

// generator is a fleet of nodes as an API server sees it: each node polls with a client certificate of its own, over a
// new TLS connection for every request, and replays what the real registry-node was recorded to send.
//
// It reads its orders (JSON) from the file in its argument, makes the Node objects, says "ready", polls until standard
// input ends, writes a line of counters every second, and at last when each node had reported the new plan.
package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	mathrand "math/rand/v2"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

type request struct {
	Method  string            `json:"method"`
	Path    string            `json:"path"`
	Headers map[string]string `json:"headers"`
	Body    string            `json:"body"`
}

type orders struct {
	Server    string          `json:"server"`
	ServerCA  string          `json:"serverCA"`
	CA        string          `json:"ca"`
	CAKey     string          `json:"caKey"`
	Nodes     int             `json:"nodes"`
	Interval  float64         `json:"interval"`
	Jitter    float64         `json:"jitter"`
	Proof     float64         `json:"proof"`
	Recorded  string          `json:"recorded"` // name of the Node in the recorded requests
	Poll      []request       `json:"poll"`
	NewPlan   []request       `json:"newPlan"`
	StillTold []request       `json:"stillTold"`
	Node      json.RawMessage `json:"node"`
}

type fleet struct {
	orders
	trusted   *x509.CertPool
	authority *x509.Certificate
	key       any

	polls, errors, reported atomic.Int64
	lastError               atomic.Value
	mutex                   sync.Mutex
	reports                 []float64
}

func main() {
	if err := run(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "generator:", err)
		os.Exit(1)
	}
}

func run(path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	f := &fleet{}
	if err := json.Unmarshal(text, &f.orders); err != nil {
		return err
	}
	if err := f.loadAuthorities(); err != nil {
		return err
	}
	certificates := make([]tls.Certificate, f.Nodes)
	for i := range certificates {
		if certificates[i], err = f.issue("system:node:"+name(i), "system:nodes"); err != nil {
			return err
		}
	}
	admin, err := f.issue("admin", "system:masters")
	if err != nil {
		return err
	}
	client := f.client(admin, false)
	if err := f.createNodes(client); err != nil {
		return err
	}
	fmt.Println("ready")
	ctx, stop := context.WithCancel(context.Background())
	go f.watch(ctx, client)
	var running sync.WaitGroup
	for i := range certificates {
		running.Add(1)
		go func() {
			defer running.Done()
			f.live(ctx, name(i), certificates[i])
		}()
	}
	go f.tell(ctx)
	io.Copy(io.Discard, os.Stdin)
	stop()
	running.Wait()
	return json.NewEncoder(os.Stdout).Encode(map[string]any{"reports": f.reports, "lastError": f.lastError.Load()})
}

func name(i int) string { return fmt.Sprintf("node-%05d", i) }

func (f *fleet) loadAuthorities() error {
	pool, err := os.ReadFile(f.ServerCA)
	if err != nil {
		return err
	}
	f.trusted = x509.NewCertPool()
	f.trusted.AppendCertsFromPEM(pool)
	certificate, err := os.ReadFile(f.CA)
	if err != nil {
		return err
	}
	block, _ := pem.Decode(certificate)
	if f.authority, err = x509.ParseCertificate(block.Bytes); err != nil {
		return err
	}
	key, err := os.ReadFile(f.CAKey)
	if err != nil {
		return err
	}
	block, _ = pem.Decode(key)
	f.key, err = x509.ParsePKCS8PrivateKey(block.Bytes)
	return err
}

// issue makes a client certificate with an ECDSA key, as a kubelet has.
func (f *fleet) issue(user, group string) (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()),
		Subject:      pkix.Name{CommonName: user, Organization: []string{group}},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(24 * time.Hour),
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	made, err := x509.CreateCertificate(rand.Reader, template, f.authority, &key.PublicKey, f.key)
	return tls.Certificate{Certificate: [][]byte{made}, PrivateKey: key}, err
}

// client returns a client that, for a node, opens a connection for one request, as curl does: a process of its own each
// time, HTTP/1.1 (the program says so), and the key exchanges of OpenSSL 3.0 (Go's own would be dearer for the server).
func (f *fleet) client(certificate tls.Certificate, once bool) *http.Client {
	config := &tls.Config{RootCAs: f.trusted, Certificates: []tls.Certificate{certificate}}
	if once {
		config.CurvePreferences = []tls.CurveID{tls.X25519, tls.CurveP256, tls.CurveP384}
	}
	return &http.Client{Timeout: 0, Transport: &http.Transport{
		TLSClientConfig: config, ForceAttemptHTTP2: !once, DisableKeepAlives: once, MaxIdleConnsPerHost: 8,
	}}
}

func (f *fleet) createNodes(client *http.Client) error {
	work, failed := make(chan int), make(chan error, 8)
	var workers sync.WaitGroup
	for range 8 {
		workers.Add(1)
		go func() {
			defer workers.Done()
			for i := range work {
				body := strings.ReplaceAll(string(f.Node), f.Recorded, name(i))
				if err := post(client, f.Server+"/api/v1/nodes", body); err != nil {
					select {
					case failed <- err:
					default:
					}
				}
			}
		}()
	}
	for i := range f.Nodes {
		work <- i
	}
	close(work)
	workers.Wait()
	select {
	case err := <-failed:
		return err
	default:
		return nil
	}
}

func post(client *http.Client, url, body string) error {
	response, err := client.Post(url, "application/json", strings.NewReader(body))
	if err != nil {
		return err
	}
	defer response.Body.Close()
	text, _ := io.ReadAll(response.Body)
	if response.StatusCode != http.StatusCreated {
		return fmt.Errorf("%s: %s: %s", url, response.Status, text)
	}
	return nil
}

// watch follows all Nodes, as the operator does for the module's hooks.
func (f *fleet) watch(ctx context.Context, client *http.Client) {
	url := f.Server + "/api/v1/nodes?watch=true&resourceVersion=0"
	asked, _ := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if response, err := client.Do(asked); err == nil {
		io.Copy(io.Discard, response.Body)
		response.Body.Close()
	}
}

func pause(ctx context.Context, seconds float64) bool {
	timer := time.NewTimer(time.Duration(seconds * float64(time.Second)))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// live is the life of one node: the timer's rounds from a random moment on.
func (f *fleet) live(ctx context.Context, node string, certificate tls.Certificate) {
	client := f.client(certificate, true)
	seen := ""
	told := time.Now().Add(-time.Duration(mathrand.Float64() * float64(5*time.Minute)))
	for wait := mathrand.Float64() * f.Interval; pause(ctx, wait); wait = f.Interval + mathrand.Float64()*f.Jitter {
		version, err := f.poll(ctx, client, node)
		if err != nil {
			f.fail(ctx, err)
			continue
		}
		f.polls.Add(1)
		switch {
		case version != seen && seen != "":
			// What a node does between reading the plan and its report: the proof.
			if err := f.replay(ctx, client, node, f.NewPlan[1:], f.Proof); err != nil {
				f.fail(ctx, err)
				continue
			}
			f.reported.Add(1)
			f.mutex.Lock()
			f.reports = append(f.reports, float64(time.Now().UnixNano())/1e9)
			f.mutex.Unlock()
			told = time.Now()
		case time.Since(told) > 5*time.Minute:
			if err := f.replay(ctx, client, node, f.StillTold[1:], 0); err != nil {
				f.fail(ctx, err)
			}
			told = time.Now()
		}
		seen = version
	}
}

func (f *fleet) fail(ctx context.Context, err error) {
	if ctx.Err() == nil {
		f.errors.Add(1)
		f.lastError.Store(err.Error())
	}
}

func (f *fleet) poll(ctx context.Context, client *http.Client, node string) (string, error) {
	var object struct {
		Metadata struct {
			ResourceVersion string `json:"resourceVersion"`
		} `json:"metadata"`
	}
	text, err := f.send(ctx, client, node, f.Poll[0])
	if err != nil {
		return "", err
	}
	err = json.Unmarshal(text, &object)
	return object.Metadata.ResourceVersion, err
}

// replay sends recorded requests one after the other; the proof's time passes before the last one, the report.
func (f *fleet) replay(ctx context.Context, client *http.Client, node string, requests []request, proof float64) error {
	for i, each := range requests {
		if i == len(requests)-1 && proof > 0 && !pause(ctx, proof) {
			return ctx.Err()
		}
		if _, err := f.send(ctx, client, node, each); err != nil {
			return err
		}
	}
	return nil
}

func (f *fleet) send(ctx context.Context, client *http.Client, node string, recorded request) ([]byte, error) {
	path := strings.ReplaceAll(recorded.Path, f.Recorded, node)
	limited, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	sent, err := http.NewRequestWithContext(limited, recorded.Method, f.Server+path, bytes.NewReader([]byte(recorded.Body)))
	if err != nil {
		return nil, err
	}
	for key, value := range recorded.Headers {
		sent.Header.Set(key, value)
	}
	response, err := client.Do(sent)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s %s: %s: %.200s", recorded.Method, path, response.Status, text)
	}
	return text, err
}

func (f *fleet) tell(ctx context.Context) {
	for pause(ctx, 1) {
		fmt.Printf("{\"polls\":%d,\"errors\":%d,\"reported\":%d}\n", f.polls.Load(), f.errors.Load(), f.reported.Load())
	}
}
