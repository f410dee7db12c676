// Package enginetest helps to test manifolds, and what an engine makes of them. Inputs is a
// dependency.Getter for calling a manifold's Start by itself.
package enginetest
