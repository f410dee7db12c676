// Package postgres keeps a store in a PostgreSQL database.
package postgres
