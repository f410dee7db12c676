package sqlstore_test

// parts are what other processes do in these tests; each reads its arguments.
var parts = map[string]func(args []string) error{}
