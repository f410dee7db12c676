package httpfence_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"

	"github.com/muster-go/muster/claimer"
	"github.com/muster-go/muster/claimer/fence/httpfence"
)

func Example() {
	folder, err := os.MkdirTemp("", "fence")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(folder)

	// The service.
	file, err := httpfence.OpenFile(filepath.Join(folder, "nightly.fence"))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer file.Close()
	guard, err := httpfence.New(context.Background(), httpfence.Config{Election: "nightly", Maximum: file})
	if err != nil {
		fmt.Println(err)
		return
	}
	mux := http.NewServeMux()
	mux.Handle("POST /run", guard.Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, "done")
	})))
	service := httptest.NewServer(mux)
	defer service.Close()

	// The clients.
	run := func(claim claimer.Claim) {
		request, err := http.NewRequest(http.MethodPost, service.URL+"/run", nil)
		if err != nil {
			fmt.Println(err)
			return
		}
		httpfence.Set(request.Header, claim)
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			fmt.Println(err)
			return
		}
		defer response.Body.Close()
		fmt.Println(claim.Holder, response.StatusCode, httpfence.Refused(response) == nil)
	}
	run(claimer.Claim{Candidate: claimer.Candidate{Name: "nightly", Holder: "box-2"}, Token: 57})
	run(claimer.Claim{Candidate: claimer.Candidate{Name: "nightly", Holder: "box-1"}, Token: 41}) // it was frozen
	// Output:
	// box-2 200 true
	// box-1 412 false
}
