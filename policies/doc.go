// Package policies judges a plan: Rego rules over the plan, what is live, and
// what each owner has.
package policies
