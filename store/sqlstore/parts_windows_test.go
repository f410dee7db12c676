package sqlstore_test

// parts are none: the tests of several processes run on Unix.
var parts map[string]func(args []string) error
