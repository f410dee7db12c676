// Package nearest finds the name that somebody meant who misspelt it.
package nearest

// Name gives the candidate that is within two edits of word, and nearest to it, or "": of two as
// near, the first. A candidate that shares nothing with word is no match, however short it is.
func Name(word string, candidates []string) string {
	best, found := 3, ""
	for _, c := range candidates {
		if abs(len(c)-len(word)) >= best {
			continue
		}
		if d := distance(word, c); d < best && d < max(len(c), len(word)) {
			best, found = d, c
		}
	}
	return found
}

func abs(n int) int { return max(n, -n) }

// distance is the number of bytes to insert, delete, replace or swap with the next one that make b
// of a. (Optimal string alignment: a swapped pair, the commonest slip, is one edit.)
func distance(a, b string) int {
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		before, last, row = last, row, before
		row[0] = i
		for j := 1; j <= len(b); j++ {
			replace := last[j-1]
			if a[i-1] != b[j-1] {
				replace++
			}
			row[j] = min(replace, last[j]+1, row[j-1]+1)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
	}
	return row[len(b)]
}
