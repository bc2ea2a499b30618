// Command hpa-oracle says what the HorizontalPodAutoscaler of Kubernetes would do.
//
// It reads one case per line on stdin and writes one line of answers per case to stdout, both as JSON; the types are in
// case.go and answer.go. A case is a sequence of syncs of one HPA at given moments. Each case gets the controller of
// kube-controller-manager, unchanged, built by its own constructor over an API that exists in memory only, in a bubble
// of testing/synctest: time stands still unless the case lets it pass, so a window's edge is hit to the nanosecond.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"testing"
	"testing/synctest"
)

func main() {
	// A bubble needs a *testing.T, which only the testing package hands out.
	everything := func(string, string) (bool, error) { return true, nil }
	testing.Main(everything, []testing.InternalTest{{Name: "oracle", F: serve}}, nil, nil)
}

func serve(t *testing.T) {
	in := bufio.NewReaderSize(os.Stdin, 1<<20)
	out := bufio.NewWriter(os.Stdout)
	for {
		line, err := in.ReadBytes('\n')
		if err == io.EOF {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		var c Case
		if err := json.Unmarshal(line, &c); err != nil {
			t.Fatalf("%v in %s", err, line)
		}
		var answers []Answer
		synctest.Test(t, func(*testing.T) { answers = run(&c) })
		answer, err := json.Marshal(answers)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(out, "%s\n", answer)
		// Whoever shrinks a failure asks one case at a time.
		if in.Buffered() == 0 {
			if err := out.Flush(); err != nil {
				t.Fatal(err)
			}
		}
	}
}
