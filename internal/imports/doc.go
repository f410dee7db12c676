// Package imports holds the rules of who may import whom in this module. Its test applies them to
// every package; one that isn't placed by a rule fails.
//
// The rules are about production code: tests may import what they need. Kits (packages whose name
// ends in "test") are production code with a licence to import test libraries.
package imports
