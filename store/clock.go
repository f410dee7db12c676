package store

import "github.com/juju/clock"

// Clock is what every Config of this project takes: real (the boot-time clock by default) or fake.
type Clock = clock.Clock
