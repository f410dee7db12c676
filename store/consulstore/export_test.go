package consulstore

import "github.com/muster-go/muster/store"

// Requests is how many requests a driver has made.
func Requests(d store.Driver) int { return int(d.(*driver).requests.Load()) }
