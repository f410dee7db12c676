package measure_test

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/muster-go/muster/store"
)

// The lines between which the table stands.
const (
	tableBegins = "<!-- made by make engines: begin -->\n"
	tableEnds   = "<!-- made by make engines: end -->\n"
)

// tableOf writes the results down in Markdown.
func tableOf(results []*result) string {
	var text strings.Builder
	fmt.Fprintf(&text, "Measured on %d cores (%s/%s, %s), with everything on one machine; %d leaders killed on each.\n\n",
		runtime.NumCPU(), runtime.GOOS, runtime.GOARCH, runtime.Version(), *tries)
	text.WriteString("| store | served by | shortest TTL | worst failover | measured with TTL | failover after `kill -9`: median, worst | graceful hand-over: median, worst | watch: p50, p99 | write: p50, p99 | messages/s at rest |\n")
	text.WriteString("|---|---|---|---|---|---|---|---|---|---|\n")
	for _, r := range results {
		rest := "none"
		if r.rest > 0 {
			rest = fmt.Sprintf("%.1f", r.rest)
		}
		fmt.Fprintf(&text, "| %s | %s | %v | %s | %v | %s | %s | %s | %s | %s |\n",
			r.engine.Name, r.engine.Server, r.limits.MinTTL, worst(r.limits), r.engine.TTL,
			spread(r.failover, 100), spread(r.handOver, 100), spread(r.watch, 99), spread(r.write, 99), rest)
	}
	return text.String()
}

// worst is how the longest failover follows from a TTL.
func worst(l store.Limits) string {
	factor := ""
	if l.ExpiryFactor > 0 && l.ExpiryFactor != 1 {
		factor = fmt.Sprintf("%g × ", l.ExpiryFactor)
	}
	return fmt.Sprintf("%sTTL + %v", factor, l.ExpiryLag)
}

// spread gives the median and an upper percentile; 100 is the worst.
func spread(all []time.Duration, upper int) string {
	if len(all) == 0 {
		return "-"
	}
	sorted := slices.Sorted(slices.Values(all))
	at := func(percent int) time.Duration { return sorted[(len(sorted)-1)*percent/100] }
	return length(at(50)) + ", " + length(at(upper))
}

// length writes a length of time with a sensible number of digits.
func length(d time.Duration) string {
	switch {
	case d < 10*time.Millisecond:
		return fmt.Sprintf("%.1f ms", float64(d)/float64(time.Millisecond))
	case d < time.Second:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	}
	return fmt.Sprintf("%.2f s", d.Seconds())
}

// replaceTable puts the table in the place of the one that stands in the text.
func replaceTable(text, table string) (string, error) {
	before, rest, begins := strings.Cut(text, tableBegins)
	_, after, ends := strings.Cut(rest, tableEnds)
	if !begins || !ends {
		return "", fmt.Errorf("there is no place for the table: want the lines %q and %q", tableBegins, tableEnds)
	}
	return before + tableBegins + table + tableEnds + after, nil
}

func TestReplaceTable(t *testing.T) {
	text, err := replaceTable("before\n"+tableBegins+"old\n"+tableEnds+"after\n", "new\n")
	require.NoError(t, err)
	assert.Equal(t, "before\n"+tableBegins+"new\n"+tableEnds+"after\n", text)
	_, err = replaceTable("before\n"+tableBegins+"old\nafter\n", "new\n")
	require.Error(t, err)
}

func TestSpread(t *testing.T) {
	all := []time.Duration{3 * time.Second, 20 * time.Millisecond, 1500 * time.Microsecond}
	assert.Equal(t, "20 ms, 3.00 s", spread(all, 100))
	assert.Equal(t, "-", spread(nil, 100))
}
