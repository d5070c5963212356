// Package forgetest is what every forge has to do, as tests that each forge's
// package runs against a double of its server.
//
// To add a demand, add a function to the table in [Run]; every forge is held to
// it at once. [Front] is half of a double for forges whose API is small.
//
// It proves nothing about a real server: what a double believes of its forge is
// argued there.
package forgetest
