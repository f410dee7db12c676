package muster_test

import (
	_ "github.com/juju/clock/testclock"
	_ "github.com/juju/errors"
	_ "github.com/juju/worker/v4"
	_ "github.com/juju/worker/v4/workertest"
	_ "github.com/prometheus/client_golang/prometheus"
	_ "github.com/prometheus/client_golang/prometheus/promhttp"
	_ "github.com/prometheus/client_golang/prometheus/testutil"
	_ "github.com/spf13/cobra"
	_ "github.com/stretchr/testify/assert"
	_ "github.com/stretchr/testify/require"
	_ "go.uber.org/goleak"
	_ "golang.org/x/sync/errgroup"
	_ "golang.org/x/tools/go/packages"
	_ "gopkg.in/tomb.v2"
	_ "modernc.org/sqlite"
	_ "pgregory.net/rapid"
)
