package httpfence

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"

	"github.com/muster-go/muster/claimer"
	"github.com/muster-go/muster/claimer/fence"
)

// The headers of a fenced request. The election's name is escaped as in a URL's path.
const (
	HeaderElection = "Muster-Election"
	HeaderToken    = "Muster-Token"
)

// Set has a request, by its header, carry the claim under which it is sent.
func Set(header http.Header, c claimer.Claim) {
	header.Set(HeaderElection, url.PathEscape(c.Name))
	header.Set(HeaderToken, strconv.FormatUint(c.Token, 10))
}

// Refused gives the *fence.StaleError (errors.Is fence.ErrStale) of a response by which a Fence
// refused the request's token, and nil for any other response.
func Refused(response *http.Response) error {
	if response.StatusCode != http.StatusPreconditionFailed {
		return nil
	}
	seen, err := strconv.ParseUint(response.Header.Get(HeaderToken), 10, 64)
	if err != nil {
		return nil // somebody else's 412
	}
	refused := &fence.StaleError{What: "the service", Fence: seen}
	if request := response.Request; request != nil {
		refused.What = request.URL.Redacted()
		refused.Token, _ = strconv.ParseUint(request.Header.Get(HeaderToken), 10, 64)
	}
	return refused
}

// token reads a request's token, which must be of the election. Otherwise it gives the status to
// refuse the request with, and why.
func token(header http.Header, election string) (token uint64, status int, err error) {
	text := header.Get(HeaderToken)
	if text == "" {
		return 0, http.StatusPreconditionRequired, fmt.Errorf("no %s header: send the token of a claim of election %q", HeaderToken, election)
	}
	if got, err := url.PathUnescape(header.Get(HeaderElection)); err != nil || got != election {
		return 0, http.StatusBadRequest, fmt.Errorf("%s is %q: this wants claims of election %q", HeaderElection, header.Get(HeaderElection), election)
	}
	token, err = strconv.ParseUint(text, 10, 64)
	if err == nil {
		err = fence.CheckToken("request", token)
	}
	if err != nil {
		return 0, http.StatusBadRequest, fmt.Errorf("%s is %q: it must be the token of a claim: %w", HeaderToken, text, err)
	}
	return token, 0, nil
}
