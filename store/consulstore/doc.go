// Package consulstore keeps a store in Consul's KV.
package consulstore
