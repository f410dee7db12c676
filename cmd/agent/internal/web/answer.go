package web

import (
	"encoding/json"
	"io"
	"net/http"
)

// Text answers with a text.
func Text(w http.ResponseWriter, code int, text string) {
	head(w, code, "text/plain; charset=utf-8")
	_, _ = io.WriteString(w, text) // the client may be gone
}

// JSON answers with a value, on one line.
func JSON(w http.ResponseWriter, code int, value any) {
	head(w, code, "application/json")
	_ = json.NewEncoder(w).Encode(value) // the client may be gone
}

func head(w http.ResponseWriter, code int, kind string) {
	w.Header().Set("Content-Type", kind)
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(code)
}
