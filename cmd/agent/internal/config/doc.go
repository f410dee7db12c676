// Package config reads the configuration of `agent serve`: one YAML document, checked strictly.
//
// Parse tells all faults at once, each with its line and column, and gives nothing unless there are
// none. It opens nothing and starts nothing; it does look whether the commands exist.
package config
