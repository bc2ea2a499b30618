// Command scheduler-oracle says which nodes kube-scheduler would let a pod go to, and what forbids the others.
//
// It reads one case per line on stdin and writes one answer per case to stdout, both as JSON; the types are in case.go and
// answer.go. Each case gets the framework of kube-scheduler, unchanged, built by its own constructor from the in-tree
// registry and the default configuration, over a snapshot and informers that hold what the case says and nothing else.
// Pods and volumes are first defaulted, completed and validated by the code of kube-apiserver.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"

	"k8s.io/kubernetes/pkg/scheduler/metrics"
)

func main() {
	if err := serve(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "scheduler-oracle:", err)
		os.Exit(1)
	}
}

func serve(from io.Reader, to io.Writer) error {
	metrics.Register()
	in := bufio.NewReaderSize(from, 1<<20)
	out := bufio.NewWriter(to)
	for {
		line, err := in.ReadBytes('\n')
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		var c Case
		if err := json.Unmarshal(line, &c); err != nil {
			return fmt.Errorf("%w in %s", err, line)
		}
		answer, err := ask(&c)
		if err != nil {
			return fmt.Errorf("%w in %s", err, line)
		}
		text, err := json.Marshal(answer)
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "%s\n", text)
		// Whoever shrinks a failure asks one case at a time.
		if in.Buffered() == 0 {
			if err := out.Flush(); err != nil {
				return err
			}
		}
	}
}
